// Whether connections can be closed here, tried on one of our own.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { abortSocket, findSockets, SocketError } from "../../src/node/sockets.ts";

export interface Connection extends AsyncDisposable {
  readonly client: Socket;
  /** The server's end. */
  readonly accepted: Socket;
  /** The server's, as `ss` writes it. */
  readonly address: string;
}

/** A connection of this process with itself, on which nothing was sent yet. */
export async function openConnection(): Promise<Connection> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(port, "127.0.0.1");
  const [[accepted]] = (await Promise.all([once(server, "connection"), once(client, "connect")])) as [[Socket], []];
  for (const socket of [client, accepted]) socket.on("error", () => {});
  return {
    client,
    accepted,
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      client.destroy();
      accepted.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** For the `skip` option of a test: false, or why connections cannot be closed here. */
export async function closingMissing(): Promise<string | false> {
  await using connection = await openConnection();
  const { signal } = new AbortController();
  try {
    const [socket] = await findSockets(process.pid, [connection.address], signal);
    if (socket && (await abortSocket(socket, signal))) return false;
    return "needs a kernel that closes connections (CONFIG_INET_DIAG_DESTROY)";
  } catch (error) {
    if (error instanceof SocketError) return `cannot run: ${error.message}`;
    throw error;
  }
}
