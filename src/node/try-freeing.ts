// Whether pulls that hang can be freed here, tried on a connection of our own: what a kernel and a sandbox permit is
// decided in too many places to be read anywhere.

import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Freeing } from "../core/freeing.ts";
import { endSocket } from "./end-socket.ts";
import { maySeeDescriptors } from "./process-powers.ts";
import { abortSocket, findSockets, SocketError } from "./sockets.ts";

/** Looks at a connection and closes it; null where none could be had. Rejects only when the signal is aborted. */
export async function tryFreeing(signal: AbortSignal): Promise<Freeing | null> {
  if ((await maySeeDescriptors(process.pid)) === false) {
    return { way: null, problem: "reading containerd's descriptors is not permitted (CAP_SYS_PTRACE)" };
  }
  const connection = await openOwn().catch(() => null);
  if (connection === null) return null;
  try {
    return await tryOn(connection.address, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof SocketError)) throw error;
    return { way: null, problem: error.message };
  } finally {
    await connection.close();
  }
}

async function tryOn(address: string, signal: AbortSignal): Promise<Freeing | null> {
  const [socket] = await findSockets(process.pid, [address], signal);
  if (socket === undefined) return null;
  if (await endSocket(process.pid, socket)) return { way: "end", problem: null };
  if (await abortSocket(socket, signal)) return { way: "abort", problem: null };
  return { way: null, problem: "the kernel cannot close connections (pidfd_getfd, CONFIG_INET_DIAG_DESTROY)" };
}

interface Own {
  /** The server's, as `ss` writes it. */
  readonly address: string;
  close(): Promise<void>;
}

async function openOwn(): Promise<Own> {
  const ignore = (): void => {}; // one that is aborted fails, as it should
  const server = createServer((accepted) => void accepted.on("error", ignore).resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(port, "127.0.0.1").on("error", ignore);
  const close = async (): Promise<void> => {
    client.destroy();
    await once(server.close(), "close");
  };
  try {
    await once(client, "connect");
    return { address: `127.0.0.1:${port}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}
