// What containerd's own connections say about a mirror that answers its probes: a pull that begins there, or one
// that receives nothing any more, is the moment to look behind /v2/. A connection kept for later looks just like one
// that hangs, so this is a question and no verdict: only a deep probe takes a mirror out of a route.

import { STALLED_MS } from "./stalled-sockets.ts";
import type { TcpSocket } from "./tcp-socket.ts";

interface Watched {
  readonly bytesReceived: number;
  /** When this number was seen first. */
  readonly sinceMs: number;
  /** Whether its mirror was looked at since it was there. */
  readonly beginKnown: boolean;
  /** Whether its mirror was looked at since it received something. */
  readonly stallKnown: boolean;
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
  /** Because something received nothing any more. */
  readonly stallMs: number;
}

const NEVER: Asked = { lastMs: Number.NEGATIVE_INFINITY, stallMs: Number.NEGATIVE_INFINITY };

export const NO_ALARMS: Alarms = { sockets: new Map(), askedAtMs: new Map() };

interface AlarmContext {
  /** Between two probes. */
  readonly intervalMs: number;
  /** Monotonic. */
  readonly nowMs: number;
}

/** In probe intervals: the least time from any alarm until a pull that begins is one, and from one stall to the next. */
const BEGIN_REST = 2;
const STALL_REST = 0.5;

/** Adds a look at containerd's connections to mirrors; `ask`: the addresses of those to look at closely now. */
export function foldAlarms(
  { sockets: before, askedAtMs }: Alarms,
  sockets: readonly TcpSocket[],
  { intervalMs, nowMs }: AlarmContext,
): { next: Alarms; ask: readonly string[] } {
  const seen = new Map(sockets.map((socket) => [socket.inode, foldSocket(before.get(socket.inode), socket, nowMs)]));
  const addresses = [...new Set(sockets.map(({ remote }) => remote))];
  const ask = addresses.filter((address) => {
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

/** Whether nothing has moved for so long. */
export function areQuiet({ sockets }: Alarms, quietMs: number, nowMs: number): boolean {
  return [...sockets.values()].every(({ sinceMs }) => nowMs - sinceMs >= quietMs);
}

function isNewStall(watched: Watched | undefined, nowMs: number): boolean {
  return watched !== undefined && !watched.stallKnown && nowMs - watched.sinceMs >= STALLED_MS;
}

function told(watched: Watched, nowMs: number): Watched {
  const stallKnown = watched.stallKnown || nowMs - watched.sinceMs >= STALLED_MS;
  return { ...watched, beginKnown: true, stallKnown };
}

function foldSocket(before: Watched | undefined, { bytesReceived }: TcpSocket, nowMs: number): Watched {
  if (before?.bytesReceived === bytesReceived) return before;
  return { bytesReceived, sinceMs: nowMs, beginKnown: before?.beginKnown ?? false, stallKnown: false };
}
