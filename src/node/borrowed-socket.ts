// A second descriptor of another program's connection (pidfd_getfd(2): Linux 5.6, CAP_SYS_PTRACE), as long as one call
// needs it. What is done to it is done to the connection; nothing is sent, and the other program closes it in its own
// time.

import { readlinkSync } from "node:fs";

/** The same on every architecture (asm-generic/unistd.h). */
const PIDFD_OPEN = 434n;
const PIDFD_GETFD = 438n;
const SHUT_RD = 0;
/** struct sockaddr_in6, the larger of the two. */
const ADDRESS_BYTES = 28;

interface Libc {
  syscall(number: bigint, first: bigint, second: bigint, third: bigint): bigint;
  getpeername(fd: number, address: Buffer, length: Buffer): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
}

export interface BorrowedSocket {
  /** As /proc/PID/fd names it. */
  readonly inode: string;
  /** The server's address as the kernel has it (struct sockaddr); null while the connection is being opened. */
  readPeer(): Buffer | null;
  /** Lets the program read the end of the connection; false if that cannot be done. */
  endReading(): boolean;
}

/** What `use` makes of descriptor `fd` of `pid`; null if that is no socket, or not permitted. */
export type Borrow = <T>(pid: number, fd: number, use: (socket: BorrowedSocket) => T) => T | null;

/** Null where the runtime was started without node:ffi. */
export async function openBorrow(): Promise<Borrow | null> {
  const ffi = await import("node:ffi").catch(() => null);
  if (ffi === null) return null;
  const { functions } = ffi.dlopen(null, {
    syscall: { arguments: ["int64", "int64", "int64", "int64"], return: "int64" },
    getpeername: { arguments: ["int32", "buffer", "buffer"], return: "int32" },
    shutdown: { arguments: ["int32", "int32"], return: "int32" },
    close: { arguments: ["int32"], return: "int32" },
  });
  const libc = functions as unknown as Libc;
  return (pid, fd, use) => {
    const own = takeDescriptor(libc, pid, fd);
    if (own === null) return null;
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${own}`))?.[1];
      if (inode === undefined) return null;
      return use({ inode, readPeer: () => readPeer(libc, own), endReading: () => libc.shutdown(own, SHUT_RD) === 0 });
    } finally {
      libc.close(own);
    }
  };
}

function takeDescriptor(libc: Libc, pid: number, fd: number): number | null {
  const pidfd = Number(libc.syscall(PIDFD_OPEN, BigInt(pid), 0n, 0n));
  if (pidfd < 0) return null;
  const own = Number(libc.syscall(PIDFD_GETFD, BigInt(pidfd), BigInt(fd), 0n));
  libc.close(pidfd);
  return own < 0 ? null : own;
}

function readPeer(libc: Libc, fd: number): Buffer | null {
  const address = Buffer.alloc(ADDRESS_BYTES);
  const length = Buffer.from(new Uint32Array([ADDRESS_BYTES]).buffer);
  return libc.getpeername(fd, address, length) === 0 ? address : null;
}
