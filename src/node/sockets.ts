// containerd's own TCP connections to some servers: those that `ss` shows and whose inode is in /proc/PID/fd. Other
// programs' connections to the same servers are not among them. systeminformation's networkConnections() also
// knows pids and addresses, but it lists all connections of all programs (netstat, or `ss -p`, which reads every
// process's descriptors) and not what they received; here the kernel filters by address, and one process is read.
// Measuring takes netlink sockets (AF_NETLINK) in a sandbox, reading another program's descriptors CAP_SYS_PTRACE,
// closing its connections CAP_NET_ADMIN.

import { execFile } from "node:child_process";
import { readdir, readlink } from "node:fs/promises";
import { promisify } from "node:util";
import { parseSockets, type TcpSocket } from "../core/tcp-socket.ts";

/** A connection, and the number of its descriptor in the process that holds it. */
export interface HeldSocket extends TcpSocket {
  readonly fd: number;
}

/** Connections cannot be looked at or closed on this host, now or ever. */
export class SocketError extends Error {
  override readonly name = "SocketError";
}

const TIMEOUT_MS = 5000;
/** sk_diag's message for each connection that it may not close; the exit code is 0 nevertheless (ss.c, show_one_inet_sock). */
const REFUSED = /Operation not permitted/;
const NO_NETLINK = /netlink socket/;

/** The connections of `pid` to `servers` ("127.0.0.1:5000", "[::1]:5000"); in another network namespace there are none. */
export async function findSockets(pid: number, servers: readonly string[], signal: AbortSignal): Promise<HeldSocket[]> {
  if (servers.length === 0) return [];
  const filter = servers.flatMap((server, index) => (index === 0 ? ["dst", server] : ["or", "dst", server]));
  const { sockets } = await ss(["-HOtnei", ...filter], signal);
  if (sockets.length === 0) return [];
  const fds = await readSocketFds(pid);
  return sockets.flatMap((socket) => {
    const fd = fds.get(socket.inode);
    return fd === undefined ? [] : [{ ...socket, fd }];
  });
}

/**
 * Aborts exactly this connection: its program reads ECONNABORTED. False if it was gone, or if the kernel has no
 * CONFIG_INET_DIAG_DESTROY, which `ss` does not tell apart: then it is still there at the next look.
 */
export async function abortSocket({ local, remote }: TcpSocket, signal: AbortSignal): Promise<boolean> {
  const { sockets, stderr } = await ss(["-HOtneiK", "src", local, "dst", remote], signal);
  if (REFUSED.test(stderr)) throw new SocketError("closing connections is not permitted (CAP_NET_ADMIN)");
  return sockets.length > 0;
}

// Without sock_diag `ss` reads /proc/net/tcp and exits with 0: nothing is measured, and nothing closed.
async function ss(args: readonly string[], signal: AbortSignal): Promise<{ sockets: TcpSocket[]; stderr: string }> {
  const { stdout, stderr } = await runSs(args, signal);
  if (NO_NETLINK.test(stderr)) throw new SocketError("looking at connections is not permitted (AF_NETLINK)");
  const sockets = parseSockets(stdout);
  if (sockets === null) throw new SocketError("the kernel does not say what connections have received (tcp_diag)");
  return { sockets, stderr };
}

async function runSs(args: readonly string[], signal: AbortSignal): Promise<{ stdout: string; stderr: string }> {
  try {
    return await promisify(execFile)("ss", args, { signal, timeout: TIMEOUT_MS });
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new SocketError("there is no ss on this host (package iproute2)", { cause: error });
    throw new SocketError(`ss failed: ${message.trim().split("\n").at(-1)}`, { cause: error });
  }
}

async function readSocketFds(pid: number): Promise<ReadonlyMap<string, number>> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EACCES" && error.code !== "EPERM") return []; // it has ended
    throw new SocketError("reading containerd's descriptors is not permitted (CAP_SYS_PTRACE)", { cause: error });
  });
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => "")));
  return new Map(
    links.flatMap((link, index) => {
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      return inode === undefined ? [] : [[inode, Number(names[index])] as const];
    }),
  );
}
