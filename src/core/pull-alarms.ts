// What containerd's own connections say about a mirror that answers its probes: a pull that begins there, or one
// on which nothing moves any more, is the moment to look behind /v2/. A connection kept for later looks just like one
// that hangs, so this is a question and no verdict: only a deep probe takes a mirror out of a route. But none is kept
// for long: one that is there later still hangs by itself, at a mirror that is well. Its storage may not give this one
// blob, or the server may have forgotten the connection.

import { STALLED_MS } from "./stalled-sockets.ts";
import type { TcpSocket } from "./tcp-socket.ts";

interface Watched {
  readonly bytesMoved: number;
  /** When this number was seen first. */
  readonly sinceMs: number;
  /** Whether its mirror was looked at since it was there. */
  readonly beginKnown: boolean;
  /** When its mirror was looked at because nothing moved on it; null if it was not. */
  readonly stallAskedAtMs: number | null;
}

export interface Alarms {
  /** By inode. */
  readonly sockets: ReadonlyMap<string, Watched>;
  /** When each mirror was looked at for an alarm, by address. */
  readonly askedAtMs: ReadonlyMap<string, Asked>;
}

interface Asked {
  /** For whatever reason. */
  readonly lastMs: number;
  /** Because nothing moved on something any more. */
  readonly stallMs: number;
}

const NEVER: Asked = { lastMs: Number.NEGATIVE_INFINITY, stallMs: Number.NEGATIVE_INFINITY };

export const NO_ALARMS: Alarms = { sockets: new Map(), askedAtMs: new Map() };

interface AlarmContext {
  /** Between two probes. */
  readonly intervalMs: number;
  /** Addresses of mirrors whose last probe failed: their probes come in a row, and decide. */
  readonly doubted: ReadonlySet<string>;
  /** Monotonic. */
  readonly nowMs: number;
}

/** In probe intervals: the least time from any alarm until a pull that begins is one, and from one stall to the next. */
const BEGIN_REST = 2;
const STALL_REST = 0.5;
/** containerd keeps none for later for longer than 30 s (hosts.go: IdleConnTimeout; so it is on 1.6, 1.7 and 2.1). */
const STUCK_MS = 40_000;
/** So long after a mirror was asked about, it is known whether it answers. */
const ANSWERED_MS = 5000;

/** Adds a look at containerd's connections to mirrors; `ask`: the addresses of those to look at closely now. */
export function foldAlarms(
  { sockets: before, askedAtMs }: Alarms,
  sockets: readonly TcpSocket[],
  { intervalMs, doubted, nowMs }: AlarmContext,
): { next: Alarms; ask: readonly string[] } {
  const seen = new Map(sockets.map((socket) => [socket.inode, foldSocket(before.get(socket.inode), socket, nowMs)]));
  const addresses = new Set(sockets.map(({ remote }) => remote)).difference(doubted);
  const ask = [...addresses].filter((address) => {
    const asked = askedAtMs.get(address) ?? NEVER;
    const isBeginDue = nowMs - asked.lastMs >= BEGIN_REST * intervalMs;
    const isStallDue = nowMs - asked.stallMs >= STALL_REST * intervalMs;
    return sockets.some(({ remote, inode }) => {
      const watched = seen.get(inode);
      if (remote !== address || watched === undefined) return false;
      return (isBeginDue && !watched.beginKnown) || (isStallDue && isNewStall(watched, nowMs));
    });
  });
  const asked = new Set(ask);
  const known = sockets.map(({ inode, remote }) => {
    const watched = seen.get(inode) as Watched;
    return [inode, asked.has(remote) ? told(watched, nowMs) : watched] as const;
  });
  const times = [...askedAtMs].filter(([, { lastMs }]) => nowMs - lastMs < BEGIN_REST * intervalMs);
  const news = ask.map((address) => {
    const isStall = sockets.some(({ remote, inode }) => remote === address && isNewStall(seen.get(inode), nowMs));
    const stallMs = isStall ? nowMs : (askedAtMs.get(address) ?? NEVER).stallMs;
    return [address, { lastMs: nowMs, stallMs }] as const;
  });
  return { next: { sockets: new Map(known), askedAtMs: new Map([...times, ...news]) }, ask };
}

/** Which of these hang by themselves, as the looks at them say: their mirrors were asked about, and answer. */
export function findStuck<S extends TcpSocket>(
  { sockets: seen }: Alarms,
  sockets: readonly S[],
  { doubted, nowMs }: Pick<AlarmContext, "doubted" | "nowMs">,
): S[] {
  return sockets.filter(({ inode, remote }) => {
    const { sinceMs = nowMs, stallAskedAtMs = null } = seen.get(inode) ?? {};
    const isAnswered = stallAskedAtMs !== null && nowMs - stallAskedAtMs >= ANSWERED_MS && !doubted.has(remote);
    return isAnswered && nowMs - sinceMs >= STUCK_MS;
  });
}

/** Begins anew with connections that were closed: whether they go away shows after another while. */
export function watchAnew(alarms: Alarms, closed: readonly TcpSocket[], nowMs: number): Alarms {
  const sockets = new Map(alarms.sockets);
  for (const { inode } of closed) {
    const watched = sockets.get(inode);
    if (watched !== undefined) sockets.set(inode, { ...watched, sinceMs: nowMs });
  }
  return { ...alarms, sockets };
}

/** Asks once more about everything that stalls: the answer of before is no longer worth anything. */
export function askAnew(alarms: Alarms): Alarms {
  const sockets = [...alarms.sockets].map(([inode, watched]) => [inode, { ...watched, stallAskedAtMs: null }] as const);
  return { ...alarms, sockets: new Map(sockets) };
}

/** Whether nothing has moved for so long. */
export function areQuiet({ sockets }: Alarms, quietMs: number, nowMs: number): boolean {
  return [...sockets.values()].every(({ sinceMs }) => nowMs - sinceMs >= quietMs);
}

function isNewStall(watched: Watched | undefined, nowMs: number): boolean {
  return watched !== undefined && watched.stallAskedAtMs === null && nowMs - watched.sinceMs >= STALLED_MS;
}

function told(watched: Watched, nowMs: number): Watched {
  const isStall = isNewStall(watched, nowMs);
  return { ...watched, beginKnown: true, stallAskedAtMs: isStall ? nowMs : watched.stallAskedAtMs };
}

function foldSocket(before: Watched | undefined, { bytesMoved }: TcpSocket, nowMs: number): Watched {
  if (before?.bytesMoved === bytesMoved) return before;
  return { bytesMoved, sinceMs: nowMs, beginKnown: before?.beginKnown ?? false, stallAskedAtMs: null };
}
