// Meets downloads that come back. One whose connection was ended asks the same server for the rest before any other
// (httpreadseeker.go opens it anew from the first host on), and one that hangs half way each time hangs again, until
// containerd has had enough after four of them and the pull fails. A connection that ends before the server has said
// anything is different: containerd asks the next host, which goes on where the download was. So for a moment after
// connections were ended, new ones to the same servers are ended as soon as they are open: a few milliseconds are all
// there is between that and the first byte of an answer, so this looks without a pause, and blocks nobody longer than
// one look takes (0.1 ms).

import { setImmediate } from "node:timers/promises";
import ipaddr from "ipaddr.js";
import { socketAddress } from "../core/tcp-socket.ts";
import { type BorrowedSocket, openBorrow } from "./borrowed-socket.ts";
import { listDescriptors } from "./descriptors.ts";
import type { HeldSocket } from "./sockets.ts";

/** containerd dials again within a few milliseconds; a TLS handshake with a far server takes some round trips more. */
const RETURN_MS = 200;

const AF_INET = 2;
const AF_INET6 = 10;

export interface Ended {
  /** Of the connections that were ended, as `ss` writes them. */
  readonly servers: ReadonlySet<string>;
  /** All connections to these servers of before; their numbers may come again. */
  readonly known: readonly HeldSocket[];
  /** The numbers of all descriptors before anything was ended. */
  readonly descriptors: ReadonlySet<number>;
}

/** Ends what `pid` opens to these servers in the next RETURN_MS, and gives how many; 0 where that is not permitted. */
export async function endReturning(
  pid: number,
  { servers, known, descriptors }: Ended,
  signal: AbortSignal,
): Promise<number> {
  const borrow = await openBorrow();
  if (borrow === null) return 0;
  const settled = new Set(known.map(({ inode }) => inode));
  let old = new Set(descriptors).difference(new Set(known.map(({ fd }) => fd)));
  let count = 0;
  for (const untilMs = performance.now() + RETURN_MS; performance.now() < untilMs && !signal.aborted; ) {
    const open = listDescriptors(pid);
    for (const fd of open.difference(old)) {
      if (borrow(pid, fd, (socket) => meet(socket, { servers, settled }))) count += 1;
    }
    old = old.intersection(open); // the number of one that was closed is the next to be given out
    await setImmediate();
  }
  return count;
}

/** Whether this one has come back, and was ended. */
function meet(
  socket: BorrowedSocket,
  { servers, settled }: { servers: ReadonlySet<string>; settled: Set<string> },
): boolean {
  if (settled.has(socket.inode)) return false;
  const peer = socket.readPeer();
  if (peer === null) return false; // it is being opened: the next look knows to whom
  settled.add(socket.inode);
  return servers.has(addressOf(peer) ?? "") && socket.endReading();
}

/** As `ss` writes it; null for what is not of the internet. */
function addressOf(peer: Buffer): string | null {
  const port = String(peer.readUInt16BE(2));
  const family = new Uint16Array(peer.buffer, peer.byteOffset, 1)[0];
  if (family === AF_INET) return socketAddress([...peer.subarray(4, 8)].join("."), port);
  if (family !== AF_INET6) return null;
  return socketAddress(ipaddr.fromByteArray([...peer.subarray(8, 24)]).toString(), port);
}
