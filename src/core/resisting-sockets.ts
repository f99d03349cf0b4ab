// Connections that hang and stay although they were closed: where neither ending nor aborting them is possible, only
// a restart of containerd is left (`containerd.restart: on-hang`), and that is for those that hang for long.

import type { TcpSocket } from "./tcp-socket.ts";

interface Resisting {
  readonly bytesMoved: number;
  /** When closing it was tried first. */
  readonly sinceMs: number;
}

/** By inode. */
export type ResistingSockets = ReadonlyMap<string, Resisting>;

export const NONE_RESISTS: ResistingSockets = new Map();

/** So long a connection has to hang, and to resist, until containerd may be restarted for it. */
export const HANG_GRACE_MS = 60_000;

/** Forgets what has gone away or has moved again. */
export function keepResisting(resisting: ResistingSockets, sockets: readonly TcpSocket[]): ResistingSockets {
  const moved = new Map(sockets.map(({ inode, bytesMoved }) => [inode, bytesMoved]));
  return new Map([...resisting].filter(([inode, { bytesMoved }]) => moved.get(inode) === bytesMoved));
}

/** Adds one that was to be closed at `nowMs` (monotonic). */
export function addResisting(
  resisting: ResistingSockets,
  { inode, bytesMoved }: TcpSocket,
  nowMs: number,
): ResistingSockets {
  return resisting.has(inode) ? resisting : new Map(resisting).set(inode, { bytesMoved, sinceMs: nowMs });
}

/** Whether one has resisted for so long that it will not go away by itself. */
export function isPastGrace(resisting: ResistingSockets, inode: string, nowMs: number): boolean {
  const sinceMs = resisting.get(inode)?.sinceMs ?? nowMs;
  return nowMs - sinceMs >= HANG_GRACE_MS;
}
