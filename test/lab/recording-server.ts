// A server of ours on a free port of 127.0.0.1 that keeps what every request brought along: how a test proves
// which origin got to see which credential.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { KeyPair } from "./certificates.ts";
import type { Workspace } from "./workspace.ts";

export interface Received {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly authorization: string | null;
  readonly body: string;
  /** Everything that came, headers and body, to search a secret in. */
  readonly everything: string;
  readonly userAgent: string;
}

export interface RecordingServer {
  /** "https://127.0.0.1:40123" */
  readonly url: string;
  readonly received: Received[];
  /** Where a request is sent on to (307); null: it is answered here. */
  redirect: (request: Received) => string | null;
  close(): Promise<void>;
}

export type Respond = (request: Received, response: ServerResponse) => void | Promise<void>;

/** Listens until the workspace ends; plain http without `tls`. */
export async function startRecordingServer(
  workspace: Workspace,
  tls: KeyPair | null,
  respond: Respond,
): Promise<RecordingServer> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let isClosed = false;
  // closeAllConnections() forgets those in a TLS handshake, and serves them for as long as they are kept.
  const close = async (): Promise<void> => {
    isClosed = true;
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const recording = { url: "", received, redirect: (_: Received): string | null => null, close };
  const listen = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await readRequest(message);
    received.push(request);
    const place = recording.redirect(request);
    if (place === null) await respond(request, response);
    else response.writeHead(307, { Location: place }).end();
  };
  const server = tls === null ? createServer(listen) : createTlsServer({ ...tls }, listen);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (isClosed) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  workspace.onEnd(close);
  recording.url = `http${tls === null ? "" : "s"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return recording;
}

async function readRequest(message: IncomingMessage): Promise<Received> {
  const body = await text(message);
  return {
    method: message.method ?? "",
    path: message.url ?? "",
    authorization: message.headers.authorization ?? null,
    body,
    everything: [message.url, ...message.rawHeaders, body].join("\n"),
    userAgent: message.headers["user-agent"] ?? "",
  };
}
