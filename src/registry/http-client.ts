// A small HTTP client for probes, on node:http alone: undici and fetch need WebAssembly, which --jitless and
// MemoryDenyWriteExecute take away, and 10 MB. Connections are kept, but not for long: containerd opens new
// ones for each pull, and what fails only for new ones (a full backlog, a new certificate) is not seen on an old one.

import { hash } from "node:crypto";
import { once } from "node:events";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { LookupFunction, Socket } from "node:net";
import { chooseProxy, type ProxyEnvironment } from "../core/proxy.ts";
import { type ConnectionTools, certificateExpiryOf, openConnection, proxyHeaders, type Route } from "./connection.ts";
import { ConnectionAgent, openWith } from "./connection-agent.ts";
import { createSharedLookup } from "./lookup.ts";
import { request as httpRequest } from "./node-http.ts";
import { readBody } from "./read-body.ts";
import { explainError, explainTimeout, type Phase, type Received, RequestFailure } from "./request-failure.ts";
import { TlsContexts, type TlsMaterial } from "./tls-material.ts";

export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Without it, a GET, or a POST where there is a body. */
  readonly method?: "HEAD" | "POST" | "PUT";
  /** Makes it a POST; token servers take secrets in a form. */
  readonly body?: string;
  readonly tls: TlsMaterial;
  readonly proxy: ProxyEnvironment;
  /** From the first step until the last byte of the body. */
  readonly timeoutMs: number;
  /** Lets a body that flows take longer, up to this: then the limit above is for each piece of it. */
  readonly maxBodyMs?: number;
  /** What comes after so many bytes is not read. */
  readonly maxBodyBytes: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly certificateExpiresAtMs: number | null;
}

export interface HttpClientOptions {
  readonly contexts?: TlsContexts;
  readonly lookup?: LookupFunction;
  /** How long a connection is used for new requests. */
  readonly maxConnectionAgeMs?: number;
}

const MAX_CONNECTION_AGE_MS = 15_000;

export class HttpClient {
  readonly #agent: ConnectionAgent;
  readonly #tools: Omit<ConnectionTools, "onPhase">;

  constructor(options: HttpClientOptions = {}) {
    this.#agent = new ConnectionAgent(options.maxConnectionAgeMs ?? MAX_CONNECTION_AGE_MS);
    this.#tools = { contexts: options.contexts ?? new TlsContexts(), lookup: options.lookup ?? createSharedLookup() };
  }

  /** Sends a GET, a HEAD, or a POST where there is a body. Throws RequestFailure when no whole answer came in time, and the signal's reason when aborted. */
  async get(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const exchange = new Exchange(request, this.#tools);
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = setTimeout(() => stop.abort(), request.timeoutMs);
    const endsAt = performance.now() + (request.maxBodyMs ?? 0);
    exchange.onBody = () => {
      if (performance.now() < endsAt) timer.refresh();
    };
    try {
      signal.throwIfAborted();
      return await exchange.run(this.#agent, stop.signal);
    } catch (error) {
      signal.throwIfAborted();
      throw stop.signal.aborted ? explainTimeout(request.timeoutMs, exchange) : explainError(error, exchange);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends the idle connections to this server, so that the next request opens one, as containerd does. */
  endIdle({ origin }: URL): void {
    this.#agent.endIdle(origin);
  }

  /** Ends the idle connections; requests in flight are ended by their signals. */
  close(): void {
    this.#agent.destroy();
  }
}

/** One request: how far it has come, and on which connection. */
class Exchange {
  phase: Phase = "lookup";
  /** Called with each piece of the body. */
  onBody: () => void = () => {};
  readonly proxied: boolean;
  #bytes = 0;
  #lastByteAt = 0;
  readonly #request: HttpRequest;
  readonly #route: Route;
  readonly #tools: ConnectionTools;
  #sent: ClientRequest | null = null;

  constructor(request: HttpRequest, tools: Omit<ConnectionTools, "onPhase">) {
    const { url, tls } = request;
    this.#request = request;
    this.#route = { url, tls, proxy: chooseProxy(url, request.proxy) };
    this.#tools = { ...tools, onPhase: (phase) => this.#enter(phase) };
    this.proxied = this.#route.proxy !== null;
  }

  get expiresAtMs(): number | null {
    return certificateExpiryOf(this.#sent?.socket ?? null);
  }

  get received(): Received {
    return { bytes: this.#bytes, quietMs: performance.now() - this.#lastByteAt };
  }

  async run(agent: ConnectionAgent, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      return await this.#attempt(agent, signal);
    } catch (error) {
      // The server may have closed an idle connection just as we took it: that says nothing about the server.
      if (signal.aborted || !this.#sent?.reusedSocket || this.phase !== "response") throw error;
      return this.#attempt(null, signal);
    }
  }

  async #attempt(agent: ConnectionAgent | null, signal: AbortSignal): Promise<HttpAnswer> {
    const sent = this.#send(agent, signal);
    this.#sent = sent;
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    this.phase = "body";
    const body = await readBody(answer, {
      maxBytes: this.#request.maxBodyBytes,
      onBody: (bytes) => this.#receive(bytes),
    });
    this.#refuseExpired();
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      body,
      certificateExpiresAtMs: this.expiresAtMs,
    };
  }

  /** Without an agent the connection is new, and closed afterwards. */
  #send(agent: ConnectionAgent | null, signal: AbortSignal): ClientRequest {
    const { url, headers, body, method } = this.#request;
    const { proxy } = this.#route;
    const inTheClear = proxy !== null && url.protocol === "http:";
    const open = (): Promise<Socket> => openConnection(this.#route, this.#tools, signal);
    const options = {
      method: method ?? (body === undefined ? "GET" : "POST"),
      path: inTheClear ? url.href : url.pathname + url.search,
      headers: { Host: url.host, "User-Agent": "mirror-agent", ...(inTheClear ? proxyHeaders(proxy) : {}), ...headers },
      signal,
      ...(agent ? { agent, open, poolKey: poolKeyOf(this.#route) } : { createConnection: openWith(open) }),
    };
    const request = httpRequest(options).on("socket", () => this.#enter("response"));
    // After the answer has begun, errors also reach whoever reads the body.
    request.on("error", () => {});
    request.end(body);
    return request;
  }

  #receive(bytes: number): void {
    this.#bytes += bytes;
    this.#lastByteAt = performance.now();
    this.onBody();
  }

  #enter(phase: Phase): void {
    this.phase = phase;
  }

  /** On a connection that is kept the certificate was good once. */
  #refuseExpired(): void {
    const { expiresAtMs } = this;
    if (expiresAtMs === null || expiresAtMs > Date.now() || this.#request.tls.insecureSkipVerify) return;
    const since = new Date(expiresAtMs).toISOString();
    throw new RequestFailure("certificate-expired", `certificate has been expired since ${since}`, { expiresAtMs });
  }
}

/** Connections with other trust, another client or another proxy are never shared. */
function poolKeyOf({ url, proxy, tls }: Route): string {
  return `${url.origin} ${proxy?.href} ${fingerprintOf(tls)}`;
}

const fingerprints = new WeakMap<TlsMaterial, string>();

// By identity first: a bundle of authorities is 200 KB, and the same at every probe.
function fingerprintOf(tls: TlsMaterial): string {
  const found = fingerprints.get(tls) ?? hash("sha256", JSON.stringify(tls));
  fingerprints.set(tls, found);
  return found;
}
