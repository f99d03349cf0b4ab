// Opens a connection the way containerd would: straight or through a proxy (CONNECT for https), then TLS with
// the host's CA. Go's verification is stricter than OpenSSL's in one point: a certificate that names its host
// only in the Common Name is refused (crypto/x509, since Go 1.15).

import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { isIP, type LookupFunction, connect as netConnect, type Socket } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { request as httpRequest, STATUS_CODES } from "./node-http.ts";
import { type Phase, RequestFailure } from "./request-failure.ts";
import type { TlsContexts, TlsMaterial } from "./tls-material.ts";

export interface Route {
  readonly url: URL;
  readonly proxy: URL | null;
  readonly tls: TlsMaterial;
}

export interface ConnectionTools {
  readonly contexts: TlsContexts;
  readonly lookup: LookupFunction;
  readonly onPhase: (phase: Phase) => void;
}

/** Opens a socket that speaks HTTP with the route's server, or, for plain http, with its proxy. */
export async function openConnection(route: Route, tools: ConnectionTools, signal: AbortSignal): Promise<Socket> {
  const { url, proxy } = route;
  let socket = await openTcp(proxy ?? url, tools, signal);
  if (proxy?.protocol === "https:") socket = await openTls(socket, { ...route, url: proxy }, tools, signal);
  if (url.protocol !== "https:") return socket;
  if (proxy !== null) socket = await openTunnel(socket, { url, proxy }, tools, signal);
  tools.onPhase("tls");
  return openTls(socket, route, tools, signal);
}

const expiries = new WeakMap<object, number>();

/** When the certificate shown on a connection of openConnection() ends; null without TLS. */
export function certificateExpiryOf(socket: object | null): number | null {
  return (socket && expiries.get(socket)) ?? null;
}

/** The Proxy-Authorization for the user and password in a proxy's URL; a secret. */
export function proxyHeaders(proxy: URL): Record<string, string> {
  if (proxy.username === "" && proxy.password === "") return {};
  const credential = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "Proxy-Authorization": `Basic ${Buffer.from(credential).toString("base64")}` };
}

async function openTcp(server: URL, { lookup, onPhase }: ConnectionTools, signal: AbortSignal): Promise<Socket> {
  if (server.protocol !== "http:" && server.protocol !== "https:") {
    throw new RequestFailure("proxy", `proxies of the scheme "${server.protocol}" are not supported`);
  }
  const host = bareHost(server);
  onPhase(isIP(host) === 0 ? "lookup" : "connect");
  const socket = netConnect({ host, port: portOf(server), lookup, noDelay: true });
  socket.once("lookup", () => onPhase("connect"));
  return until(socket, "connect", signal);
}

async function openTls(below: Socket, route: Route, tools: ConnectionTools, signal: AbortSignal): Promise<Socket> {
  const host = bareHost(route.url);
  // Verified below, after the handshake, so that the certificate can be looked at also when it is refused.
  const socket = tlsConnect({
    socket: below,
    secureContext: tools.contexts.find(route.tls),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  await until(socket, "secureConnect", signal);
  const certificate = socket.getPeerX509Certificate();
  if (certificate !== undefined) expiries.set(socket, certificate.validToDate.getTime());
  const refusal = route.tls.insecureSkipVerify ? null : refuseCertificate(socket, certificate, host);
  if (refusal === null) return socket;
  socket.destroy();
  throw refusal;
}

function refuseCertificate(socket: TLSSocket, certificate: X509Certificate | undefined, host: string): Error | null {
  if (certificate === undefined) return new RequestFailure("certificate-untrusted", "the server shows no certificate");
  const expiresAtMs = certificate.validToDate.getTime();
  // Declared as Error, but it is OpenSSL's code.
  const code = socket.authorizationError as unknown as string | null;
  if (code === "CERT_HAS_EXPIRED") {
    const whose = expiresAtMs < Date.now() ? "certificate" : "certificate of the authority";
    const since = expiresAtMs < Date.now() ? ` since ${certificate.validToDate.toISOString()}` : "";
    return new RequestFailure("certificate-expired", `${whose} has been expired${since}`, { expiresAtMs });
  }
  if (code === "CERT_NOT_YET_VALID" && certificate.validFromDate.getTime() > Date.now()) {
    const words = `certificate is valid from ${certificate.validFromDate.toISOString()}, and this node's clock says ${new Date().toISOString()}`;
    return new RequestFailure("certificate-untrusted", words, { expiresAtMs });
  }
  if (code) return new RequestFailure("certificate-untrusted", describeVerification(code), { expiresAtMs });
  const named = isIP(host) === 0 ? certificate.checkHost(host, { subject: "never" }) : certificate.checkIP(host);
  if (named !== undefined) return null;
  const names = certificate.subjectAltName ?? "no names at all";
  return new RequestFailure("certificate-untrusted", `certificate is for ${names}, not for ${host}`, { expiresAtMs });
}

/** OpenSSL's code as words: "unable to verify leaf signature". */
function describeVerification(code: string): string {
  return `certificate not trusted: ${code.toLowerCase().replaceAll("_", " ")}`;
}

async function openTunnel(
  socket: Socket,
  { url, proxy }: { url: URL; proxy: URL },
  { onPhase }: ConnectionTools,
  signal: AbortSignal,
): Promise<Socket> {
  onPhase("proxy");
  const path = `${url.hostname}:${portOf(url)}`;
  const headers = { Host: path, ...proxyHeaders(proxy) };
  const request = httpRequest({ method: "CONNECT", path, headers, createConnection: () => socket });
  request.end();
  const [answer] = (await once(request, "connect", { signal }).catch((error) => {
    socket.destroy();
    throw error;
  })) as [IncomingMessage];
  if (answer.statusCode === 200) return socket;
  socket.destroy();
  const status = `${answer.statusCode} ${STATUS_CODES[answer.statusCode ?? 0] ?? ""}`.trim();
  throw new RequestFailure("proxy", `proxy answered ${status} to CONNECT`);
}

/** Waits for the event; on an error or an abort the socket is gone. */
async function until<S extends Socket>(socket: S, event: string, signal: AbortSignal): Promise<S> {
  // Between here and node:http nobody listens, and an error without a listener ends the program.
  socket.on("error", () => {});
  try {
    await once(socket, event, { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80);
}
