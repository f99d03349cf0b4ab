// Lets another program read the end of one of its connections, as if the server had closed it. containerd resumes a
// download that ends early where it was, and asks the next host if the first does not answer; one whose connection is
// aborted (`ss -K`) fails, and its pull with it (httpreadseeker.go: only io.ErrUnexpectedEOF is tried again; so it
// is on 1.6, 1.7 and 2.1). The kernel gives out a second descriptor of the connection (pidfd_getfd(2), Linux 5.6,
// CAP_SYS_PTRACE), on which reading is shut down; nothing is sent, and the other program closes it in its own time.
// One that is not open yet fails at once (tcp_disconnect(): ECONNRESET), and containerd dials the next host.

import { readlinkSync } from "node:fs";
import type { HeldSocket } from "./sockets.ts";

/** The same on every architecture (asm-generic/unistd.h). */
const PIDFD_OPEN = 434n;
const PIDFD_GETFD = 438n;
const SHUT_RD = 0;

interface Libc {
  syscall(number: bigint, first: bigint, second: bigint, third: bigint): bigint;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
}

/** Ends reading on this connection of `pid`; false where that is not possible or not permitted. */
export async function endSocket(pid: number, { fd, inode }: HeldSocket): Promise<boolean> {
  const libc = await openLibc();
  if (libc === null) return false;
  const pidfd = Number(libc.syscall(PIDFD_OPEN, BigInt(pid), 0n, 0n));
  if (pidfd < 0) return false;
  const own = Number(libc.syscall(PIDFD_GETFD, BigInt(pidfd), BigInt(fd), 0n));
  libc.close(pidfd);
  if (own < 0) return false;
  try {
    // The number may have been given to another connection since it was read.
    if (readlinkSync(`/proc/self/fd/${own}`) !== `socket:[${inode}]`) return false;
    return libc.shutdown(own, SHUT_RD) === 0;
  } finally {
    libc.close(own);
  }
}

/** Null where the runtime was started without it. */
async function openLibc(): Promise<Libc | null> {
  const ffi = await import("node:ffi").catch(() => null);
  if (ffi === null) return null;
  return ffi.dlopen(null, {
    syscall: { arguments: ["int64", "int64", "int64", "int64"], return: "int64" },
    shutdown: { arguments: ["int32", "int32"], return: "int32" },
    close: { arguments: ["int32"], return: "int32" },
  }).functions as unknown as Libc;
}
