// One HTTP request to a registry or to its token server: TLS, proxy, connections; no authentication, no retries.
// undici keeps a fixed number of connections for each origin. Behind a proxy the CA belongs into requestTls, not into
// connect; NO_PROXY with networks is none of undici's business, so the proxy is chosen here for each origin.

import type { SecureContext } from "node:tls";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import { chooseProxy, type ProxyEnvironment } from "../core/proxy.ts";
import { TlsContexts, type TlsMaterial } from "./tls-material.ts";

export interface TransportOptions {
  readonly tls: TlsMaterial;
  readonly proxy: ProxyEnvironment;
  readonly connections: number;
  readonly connectTimeoutMs: number;
}

export interface RawRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> | Uint8Array | null;
  /** 0: the caller watches over the time itself. */
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
}

/** Keeps the connections to each origin; close it to let the program end. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #dispatchers = new Map<string, Dispatcher>();
  readonly #contexts = new TlsContexts();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  async request(request: RawRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { url, method, headers, body } = request;
    return this.#dispatcherOf(url.origin).request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers,
      // undici takes any async iterable; its types name only streams.
      body: body as never,
      signal,
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  #dispatcherOf(origin: string): Dispatcher {
    const found = this.#dispatchers.get(origin) ?? this.#connect(origin);
    this.#dispatchers.set(origin, found);
    return found;
  }

  #connect(origin: string): Dispatcher {
    const { connections, connectTimeoutMs, proxy: environment } = this.#options;
    const tls = origin.startsWith("https:") ? this.#tls() : {};
    const proxy = chooseProxy(origin, environment);
    if (proxy === null) {
      return new Agent({ connections, connect: { ...tls, timeout: connectTimeoutMs, keepAlive: true } });
    }
    const token = proxyToken(proxy);
    return new ProxyAgent({
      uri: `${proxy.protocol}//${proxy.host}`,
      ...(token === null ? {} : { token }),
      connections,
      requestTls: { ...tls, timeout: connectTimeoutMs },
      // Without a tunnel a plain http registry is asked through the proxy as Go's clients do.
      proxyTunnel: origin.startsWith("https:"),
    });
  }

  #tls(): { secureContext: SecureContext; rejectUnauthorized: boolean } {
    const { tls } = this.#options;
    return { secureContext: this.#contexts.find(tls), rejectUnauthorized: !tls.insecureSkipVerify };
  }
}

function proxyToken(proxy: URL): string | null {
  if (proxy.username === "" && proxy.password === "") return null;
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}
