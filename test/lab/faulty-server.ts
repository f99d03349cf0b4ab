// A registry whose faults are switched while it runs, for tests and for real containerds. What happens to a
// connection (refused, reset, silent, a bad certificate) is here, what happens to a request in faulty-answer.ts.
// A fault that is switched on also strikes connections that are open and idle, as it does with a real server.

import { createServer as createHttpServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { KeyPair } from "./certificates.ts";
import {
  answerHtml,
  answerStatus,
  askForToken,
  corrupt,
  drip,
  type Exchange,
  heal,
  redirectToItself,
  type Source,
  stall,
  stallLarge,
  staySilent,
  staySilentIfLarge,
  truncate,
} from "./faulty-answer.ts";

type Answering = (exchange: Exchange) => void | Promise<void>;

function onlyBlobs(answer: Answering): Answering {
  return (exchange) => (exchange.request.url?.includes("/blobs/") ? answer(exchange) : heal(exchange));
}

const ANSWERS = {
  healthy: heal,
  /** Nothing listens on the port. */
  refused: staySilent,
  /** Connections are accepted and reset at once. */
  reset: staySilent,
  /** Connections are accepted (with TLS if the server has it), requests are never answered. */
  silent: staySilent,
  /** Connections are accepted, the handshake is never answered. */
  "tls-stalls": staySilent,
  /** The certificate is the expired one. */
  "certificate-expired": heal,
  /** Well, as a registry without TLS that wants tokens. */
  tokens: askForToken,
  "status-401": answerStatus(401, { "WWW-Authenticate": 'Basic realm="test"' }),
  "status-403": answerStatus(403),
  "status-404": answerStatus(404),
  "status-429": answerStatus(429, { "Retry-After": "30" }),
  "status-500": answerStatus(500),
  "status-503": answerStatus(503),
  html: answerHtml,
  "redirect-loop": redirectToItself,
  /** Every body stops half-way. */
  stall,
  /** Every body trickles. */
  "slow-drip": drip,
  "blob-truncated": onlyBlobs(truncate),
  "blob-silent": onlyBlobs(staySilent),
  "blob-stall": onlyBlobs(stall),
  "blob-drip": onlyBlobs(drip),
  /** Small blobs, such as probes read, are well. */
  "large-blob-silent": onlyBlobs(staySilentIfLarge),
  "large-blob-stall": onlyBlobs(stallLarge),
  "wrong-digest": onlyBlobs(corrupt),
  /** Manifests, too, are not what their digest says. */
  "wrong-digests": corrupt,
} satisfies Record<string, Answering>;

export type Behaviour = keyof typeof ANSWERS;

export const BEHAVIOURS = Object.keys(ANSWERS) as readonly Behaviour[];

export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly behaviour: Behaviour;
  /** The name that the client gave in the TLS handshake (SNI). */
  readonly serverName: string | null;
}

export interface FaultyServerOptions {
  readonly source?: Source;
  readonly tls?: KeyPair & { readonly clientCa?: string };
  /** What "certificate-expired" shows; needed for that behaviour alone. */
  readonly expiredTls?: KeyPair;
  readonly host?: string;
  readonly port?: number;
  readonly behaviour?: Behaviour;
}

/** Listens on 127.0.0.1 and a free port unless told otherwise. */
export async function startFaultyServer(options: FaultyServerOptions = {}): Promise<FaultyServer> {
  const server = new FaultyServer(options);
  await server.listen();
  if (options.behaviour !== undefined) await server.become(options.behaviour);
  return server;
}

export class FaultyServer {
  readonly requests: RecordedRequest[] = [];
  /** How many connections were accepted since the start. */
  connections = 0;
  readonly #options: FaultyServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #speaking: Server;
  readonly #speakingExpired: Server | null;
  #listener: Server | null = null;
  #behaviour: Behaviour = "healthy";
  #port: number;

  constructor(options: FaultyServerOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
    const onRequest: RequestListener = (request, response) =>
      this.#answer({ request, response, source: this.#source() });
    this.#speaking = speakingServer(options.tls ?? null, onRequest);
    this.#speakingExpired = options.expiredTls ? speakingServer(options.expiredTls, onRequest) : null;
  }

  get behaviour(): Behaviour {
    return this.#behaviour;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#options.tls ? "https" : "http"}://${this.#options.host ?? "127.0.0.1"}:${this.#port}`;
  }

  /** Switches the fault; once this resolves, the next connection and the next request meet it. */
  async become(behaviour: Behaviour): Promise<void> {
    if (behaviour === "certificate-expired" && this.#speakingExpired === null)
      throw new Error("No expired certificate");
    this.#behaviour = behaviour;
    if (behaviour === "refused") await this.#unlisten();
    else if (this.#listener === null) await this.listen();
    if (behaviour === "refused" || behaviour === "reset" || behaviour === "certificate-expired") this.disconnect();
  }

  /** Ends every open connection, as a restart of the server would. */
  disconnect(): void {
    for (const socket of this.#sockets) {
      // A reset of a socket whose peer has already ended leaves its handle open (Node 26), and the process alive.
      if (socket.readableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  async listen(): Promise<void> {
    const listener = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(this.#port, this.#options.host ?? "127.0.0.1", resolve);
    });
    this.#listener = listener;
    this.#port = (listener.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#unlisten();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #source(): Source {
    return this.#options.source ?? { files: new Map() };
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    if (this.#behaviour === "reset") socket.resetAndDestroy();
    else if (this.#behaviour === "tls-stalls") socket.resume();
    else if (this.#behaviour === "certificate-expired") this.#speakingExpired?.emit("connection", socket);
    else this.#speaking.emit("connection", socket);
  }

  #answer(exchange: Exchange): void {
    const { method = "", url = "", headers, socket } = exchange.request;
    // node:tls says false where no name was given, and its types do not know of it.
    const serverName = (socket as { servername?: string | false }).servername || null;
    this.requests.push({ method, url, headers, behaviour: this.#behaviour, serverName });
    exchange.response.on("error", () => {});
    void ANSWERS[this.#behaviour](exchange);
  }

  async #unlisten(): Promise<void> {
    const listener = this.#listener;
    if (listener === null) return;
    this.#listener = null;
    const closed = new Promise((resolve) => listener.close(resolve));
    this.disconnect();
    await closed;
  }
}

/** An HTTP or HTTPS server that does not listen: it is handed its connections, and keeps idle ones, as Go's do. */
function speakingServer(tls: FaultyServerOptions["tls"] | null, onRequest: RequestListener): Server {
  if (!tls) return createHttpServer({ keepAliveTimeout: 0 }, onRequest);
  const { cert, key, clientCa } = tls;
  const mutual = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  const server = createHttpsServer({ cert, key, keepAliveTimeout: 0, ...mutual }, onRequest);
  return server.on("tlsClientError", () => {});
}
