// Which connections hang, from looking at them again and again: those on which nothing moved between two looks
// that are far enough apart. On a slow download something moves, and it is never among them.

import type { TcpSocket } from "./tcp-socket.ts";

interface Seen {
  readonly bytesMoved: number;
  /** When this number was seen first. */
  readonly sinceMs: number;
  /** How long it may stay so. */
  readonly patienceMs: number;
}

/** What earlier looks saw, by inode. */
export type Looks = ReadonlyMap<string, Seen>;

export const NO_LOOKS: Looks = new Map();

/** A connection on which nothing has moved for so long between two looks hangs. */
export const STALLED_MS = 1000;
/**
 * So does one that has never been seen to receive anything, opened to a server at which others were just found to
 * hang. A pull asks the mirror that it began with for each of its blobs, and each time would wait the whole second.
 */
export const YOUNG_STALLED_MS = 250;

const NEAR_MS = 250;
const FAR_MS = 1000;
const RARE_MS = 5000;
/** Pulls that began before the routes changed go back to the old endpoint for each blob, until they are done. */
const RARE_AFTER_MS = 60_000;
const ENDS_AFTER_MS = 30 * 60_000;

interface LookContext {
  /** Monotonic. */
  readonly nowMs: number;
  /** The servers at which connections were found to hang, by address. */
  readonly hanging?: ReadonlySet<string>;
}

/** Adds a look; connections that are gone are forgotten. */
export function foldLook<S extends TcpSocket>(
  looks: Looks,
  sockets: readonly S[],
  context: LookContext,
): { looks: Looks; stalled: S[] } {
  const next = new Map(sockets.map((socket) => [socket.inode, foldSocket(looks.get(socket.inode), socket, context)]));
  const stalled = sockets.filter(({ inode }) => {
    const { sinceMs = context.nowMs, patienceMs = STALLED_MS } = next.get(inode) ?? {};
    return context.nowMs - sinceMs >= patienceMs;
  });
  return { looks: next, stalled };
}

/** Begins anew with a connection that was closed: whether it goes away shows after another while. */
export function lookAnew(looks: Looks, { inode, bytesMoved }: TcpSocket, nowMs: number): Looks {
  return new Map(looks).set(inode, { bytesMoved, sinceMs: nowMs, patienceMs: STALLED_MS });
}

/** How long to wait for the next look, `quietMs` after a connection was last seen; null when it is time to end. */
export function nextLookMs(quietMs: number): number | null {
  if (quietMs >= ENDS_AFTER_MS) return null;
  if (quietMs >= RARE_AFTER_MS) return RARE_MS;
  return quietMs < FAR_MS ? NEAR_MS : FAR_MS;
}

function foldSocket(
  before: Seen | undefined,
  { bytesMoved, remote }: TcpSocket,
  { nowMs, hanging }: LookContext,
): Seen {
  if (before?.bytesMoved === bytesMoved) return before;
  const isYoung = before === undefined && hanging?.has(remote) === true;
  return { bytesMoved, sinceMs: nowMs, patienceMs: isYoung ? YOUNG_STALLED_MS : STALLED_MS };
}
