// How authentication reaches the network: one request, one answer, with the TLS settings and the proxy of the
// endpoint that it is for, as containerd asks a token server with its registry's settings. Redirects are not
// followed: what carries a credential goes to the origin it is for, and nowhere else.

import type { IncomingHttpHeaders } from "node:http";
import type { ProxyEnvironment } from "../core/proxy.ts";
import type { HttpClient } from "./http-client.ts";
import type { TlsMaterial } from "./tls-material.ts";

export interface SendRequest {
  readonly method: "GET" | "POST" | "PUT";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface SendAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Throws RequestFailure when no whole answer comes. */
export type Send = (request: SendRequest, signal: AbortSignal) => Promise<SendAnswer>;

export interface SendSettings {
  readonly tls: TlsMaterial;
  readonly proxy: ProxyEnvironment;
  readonly timeoutMs: number;
}

const MAX_BODY_BYTES = 256 * 1024;

/** Sends through an HttpClient. */
export function createSend(client: Pick<HttpClient, "get">, settings: SendSettings): Send {
  return ({ method, body, ...request }, signal) => {
    const content = method === "GET" ? {} : { method, body: body ?? "" };
    return client.get({ ...request, ...settings, ...content, maxBodyBytes: MAX_BODY_BYTES }, signal);
  };
}
