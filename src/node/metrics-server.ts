// Answers GET /metrics on an address that only this node reaches. Nobody is asked who he is, so nothing secret is
// shown, and nothing can be asked for that costs more than one page.

import { chmod, lstat, unlink } from "node:fs/promises";
import type * as Http from "node:http";
import { connect } from "node:net";
import type { ListenAddress } from "../core/mirror-config.ts";

// An `import` of node:http would load undici, see registry/node-http.ts.
const http: typeof Http = process.getBuiltinModule("node:http");

export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

export interface MetricsServer {
  /** Resolves when nobody is answered any more. */
  close(): Promise<void>;
}

const MOST_CONNECTIONS = 20;
const REQUEST_TIMEOUT_MS = 5000;
const IDLE_TIMEOUT_MS = 65_000; // longer than Prometheus' default interval of a minute

/** Serves the page at the address. Throws if that is taken. */
export async function openMetricsServer(
  address: ListenAddress,
  readPage: () => Promise<MetricsPage>,
): Promise<MetricsServer> {
  if (address.kind === "unix") await removeDeadSocket(address.path);
  const server = http.createServer((request, response) => void answer(request, response, readPage));
  server.maxConnections = MOST_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = IDLE_TIMEOUT_MS;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  const where = address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port };
  server.listen(where, resolve);
  await promise;
  server.off("error", reject);
  // What accept() fails with later (too many open files) is met again by whoever asks.
  server.on("error", () => {});
  if (address.kind === "unix") await chmod(address.path, 0o666); // the service's umask would leave it to root alone
  return { close: () => closeServer(server) };
}

async function answer(
  { method, url }: Http.IncomingMessage,
  response: Http.ServerResponse,
  readPage: () => Promise<MetricsPage>,
): Promise<void> {
  const isPage = url?.split("?", 1)[0] === "/metrics";
  if (!isPage) return refuse(response, 404, "Metrics are at /metrics");
  if (method !== "GET" && method !== "HEAD") return refuse(response, 405, "Metrics can only be read");
  try {
    const { contentType, text } = await readPage();
    response.writeHead(200, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(text) });
    response.end(method === "HEAD" ? "" : text);
  } catch {
    refuse(response, 500, "Metrics cannot be rendered");
  }
}

function refuse(response: Http.ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" });
  response.end(`${text}\n`);
}

async function closeServer(server: Http.Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

// A socket's file outlives a server that is killed. One at which somebody answers is somebody's.
async function removeDeadSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => null);
  if (!stats?.isSocket() || (await isAnswered(path))) return;
  await unlink(path);
}

function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once("connect", () => resolve(true));
  socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code !== "ECONNREFUSED"));
  return promise.finally(() => socket.destroy());
}
