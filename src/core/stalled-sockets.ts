// Which connections hang, from looking at them again and again: those that received nothing between two looks
// that are far enough apart. A slow download receives something and is never among them.

import type { TcpSocket } from "./tcp-socket.ts";

interface Seen {
  readonly bytesReceived: number;
  /** When this number was seen first. */
  readonly sinceMs: number;
}

/** What earlier looks saw, by inode. */
export type Looks = ReadonlyMap<string, Seen>;

export const NO_LOOKS: Looks = new Map();

/** A connection that has received nothing for so long between two looks hangs. */
export const STALLED_MS = 1000;

const NEAR_MS = 250;
const FAR_MS = 1000;
const RARE_MS = 5000;
/** Pulls that began before the routes changed go back to the old endpoint for each blob, until they are done. */
const RARE_AFTER_MS = 60_000;
const ENDS_AFTER_MS = 30 * 60_000;

/** Adds a look at `nowMs` (monotonic); connections that are gone are forgotten. */
export function foldLook<S extends TcpSocket>(
  looks: Looks,
  sockets: readonly S[],
  nowMs: number,
): { looks: Looks; stalled: S[] } {
  const next = new Map(sockets.map((socket) => [socket.inode, foldSocket(looks.get(socket.inode), socket, nowMs)]));
  const stalled = sockets.filter(({ inode }) => nowMs - (next.get(inode)?.sinceMs ?? nowMs) >= STALLED_MS);
  return { looks: next, stalled };
}

/** How long to wait for the next look, `quietMs` after a connection was last seen; null when it is time to end. */
export function nextLookMs(quietMs: number): number | null {
  if (quietMs >= ENDS_AFTER_MS) return null;
  if (quietMs >= RARE_AFTER_MS) return RARE_MS;
  return quietMs < FAR_MS ? NEAR_MS : FAR_MS;
}

function foldSocket(before: Seen | undefined, { bytesReceived }: TcpSocket, nowMs: number): Seen {
  return before?.bytesReceived === bytesReceived ? before : { bytesReceived, sinceMs: nowMs };
}
