// A registry that takes uploads, in this process, whose faults are switched while it runs. Without faults it is strict
// where docker-registry 2.8.2 is: a Location is good once, a manifest needs its parts, a digest has to fit.

import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { KeyPair } from "../lab/certificates.ts";

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Answers instead of the registry; false lets the registry answer. */
export type Fault = (exchange: Exchange, answer: () => Promise<void>) => unknown;

export interface PushRegistryOptions {
  readonly tls?: KeyPair;
  readonly location?: "relative" | "absolute" | "downgraded";
  /** 202 opens an upload instead, as registries do that cannot or will not mount. */
  readonly mount?: 201 | 202;
  /** What happens to an upload whose connection broke: distribution 3 keeps what came, 2.8 loses the session. */
  readonly broken?: "lost" | "kept";
  /** Knows of referrers: answers with OCI-Subject. */
  readonly referrers?: boolean;
}

export interface PushRegistry extends AsyncDisposable {
  readonly url: string;
  /** By "REPOSITORY@DIGEST". */
  readonly blobs: Map<string, Buffer>;
  /** By "REPOSITORY:TAG" and "REPOSITORY@DIGEST". */
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>;
  /** "POST /v2/…" in order of arrival. */
  readonly requests: string[];
  /** Uploads that are open. */
  readonly sessions: Map<string, Session>;
  /** Strikes requests that fit, so often; `times` counts down. */
  strike(pattern: RegExp, times: number, fault: Fault): void;
  count(pattern: RegExp): number;
}

interface Session {
  readonly repository: string;
  bytes: Buffer;
  state: string;
}

interface Strike {
  readonly pattern: RegExp;
  left: number;
  readonly fault: Fault;
}

export async function startPushRegistry(options: PushRegistryOptions = {}): Promise<PushRegistry> {
  const strikes: Strike[] = [];
  const held = { blobs: new Map(), manifests: new Map(), requests: [], sessions: new Map() } as Pick<
    PushRegistry,
    "blobs" | "manifests" | "requests" | "sessions"
  >;
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    const exchange = { method: request.method ?? "", url, request, response };
    const line = `${exchange.method} ${url.pathname}${url.search}`;
    held.requests.push(line);
    const strike = strikes.find(({ pattern, left }) => left > 0 && pattern.test(line));
    const answer = () => route({ ...held, options }, exchange);
    if (strike !== undefined) {
      strike.left--;
      if ((await strike.fault(exchange, answer)) !== false) return;
    }
    await answer();
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
    ...held,
    strike: (pattern, times, fault) => void strikes.push({ pattern, left: times, fault }),
    count: (pattern) => held.requests.filter((line) => pattern.test(line)).length,
    [Symbol.asyncDispose]: () => close(server),
  };
}

/** Answers with a status, and a distribution error if there is a code. */
export function status(code: number, error: string | null = null, headers: Record<string, string> = {}): Fault {
  return ({ request, response }) => {
    request.resume();
    const body = error === null ? "" : JSON.stringify({ errors: [{ code: error, message: "struck" }] });
    response.writeHead(code, { "content-type": "application/json", ...headers }).end(body);
  };
}

/** Takes so many bytes of a body, stores them if sessions are kept, and resets the connection. */
export function resetAfter(bytes: number): Fault {
  return ({ request }) => {
    let taken = 0;
    request.on("data", (piece: Buffer) => {
      taken += piece.length;
      if (taken >= bytes) request.socket.resetAndDestroy();
    });
  };
}

/** Never answers, and reads no more than what the kernel holds. */
export function stall(): Fault {
  return ({ request }) => void request.pause();
}

interface Registry extends Pick<PushRegistry, "blobs" | "manifests" | "sessions"> {
  readonly options: PushRegistryOptions;
}

async function route(registry: Registry, exchange: Exchange): Promise<void> {
  const { method, url, response } = exchange;
  const parts = /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname);
  if (parts === null)
    return void response.writeHead(200, { "docker-distribution-api-version": "registry/2.0" }).end("{}");
  const [, repository = "", kind, reference = ""] = parts;
  if (kind === "blobs") return readBlob(registry, exchange, `${repository}@${reference}`);
  if (kind === "manifests" && method === "PUT") return putManifest(registry, exchange, { repository, reference });
  if (kind === "manifests") return readManifest(registry, exchange, { repository, reference });
  if (method === "POST") return openUpload(registry, exchange, repository);
  return continueUpload(registry, exchange, reference);
}

function readBlob({ blobs }: Registry, { method, request, response }: Exchange, place: string): void {
  const bytes = blobs.get(place);
  if (bytes === undefined) {
    refuse(response, 404, "BLOB_UNKNOWN");
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const headers = { "content-length": bytes.length - from, "docker-content-digest": place.split("@")[1] ?? "" };
  response.writeHead(from > 0 ? 206 : 200, headers).end(method === "HEAD" ? undefined : bytes.subarray(from));
}

function readManifest(
  { manifests }: Registry,
  { method, request, response }: Exchange,
  { repository, reference }: { repository: string; reference: string },
): void {
  const found = manifests.get(repository + (reference.includes(":") ? "@" : ":") + reference);
  // As docker-registry 2.8.2 does without an Accept header that fits.
  if (found === undefined || !request.headers.accept?.includes(found.type)) {
    refuse(response, 404, "MANIFEST_UNKNOWN");
    return;
  }
  const headers = {
    "content-type": found.type,
    "content-length": found.bytes.length,
    "docker-content-digest": sha256(found.bytes),
  };
  response.writeHead(200, headers).end(method === "HEAD" ? undefined : found.bytes);
}

async function putManifest(
  registry: Registry,
  { request, response }: Exchange,
  { repository, reference }: { repository: string; reference: string },
): Promise<void> {
  const bytes = await bodyOf(request);
  const type = request.headers["content-type"] ?? "";
  const value = JSON.parse(bytes.toString());
  if (value.mediaType !== undefined && value.mediaType !== type) return refuse(response, 400, "MANIFEST_INVALID");
  const blobs: { digest: string }[] = [value.config, ...(value.layers ?? [])].filter(Boolean);
  const complete =
    blobs.every(({ digest }) => registry.blobs.has(`${repository}@${digest}`)) &&
    (value.manifests ?? []).every(({ digest }: { digest: string }) =>
      registry.manifests.has(`${repository}@${digest}`),
    );
  if (!complete) return refuse(response, 400, "MANIFEST_BLOB_UNKNOWN");
  const digest = sha256(bytes);
  if (reference.includes(":") && reference !== digest) return refuse(response, 400, "DIGEST_INVALID");
  registry.manifests.set(`${repository}@${digest}`, { type, bytes });
  if (!reference.includes(":")) registry.manifests.set(`${repository}:${reference}`, { type, bytes });
  const subject = registry.options.referrers && value.subject ? { "oci-subject": value.subject.digest } : {};
  response.writeHead(201, { "docker-content-digest": digest, ...subject }).end();
}

function openUpload(registry: Registry, { url, request, response }: Exchange, repository: string): void {
  request.resume();
  const [digest, from] = [url.searchParams.get("mount"), url.searchParams.get("from")];
  const bytes = registry.blobs.get(`${from}@${digest}`);
  if (bytes !== undefined && registry.options.mount !== 202) {
    registry.blobs.set(`${repository}@${digest}`, bytes);
    return void response.writeHead(201, { "docker-content-digest": digest ?? "" }).end();
  }
  const id = randomUUID();
  const session = { repository, bytes: Buffer.alloc(0), state: randomUUID() };
  registry.sessions.set(id, session);
  answerSession(registry, { url, response }, { id, session, status: 202 });
}

async function continueUpload(registry: Registry, exchange: Exchange, id: string): Promise<void> {
  const { method, url, request, response } = exchange;
  const session = registry.sessions.get(id);
  if (session === undefined || url.searchParams.get("_state") !== session.state) {
    registry.sessions.delete(id);
    request.resume();
    return refuse(response, 404, "BLOB_UPLOAD_INVALID");
  }
  if (method === "DELETE") return void (registry.sessions.delete(id) && response.writeHead(204).end());
  if (method === "GET") return answerSession(registry, exchange, { id, session, status: 204 });
  const start = /^(\d+)-\d+$/.exec(request.headers["content-range"] ?? "")?.[1];
  if (method === "PATCH" && Number(start) !== session.bytes.length) return refuse(response, 416, "RANGE_INVALID");
  if (!(await receive(registry, request, id))) return;
  if (method === "PATCH") return answerSession(registry, exchange, { id, session, status: 202 });
  const digest = url.searchParams.get("digest") ?? "";
  registry.sessions.delete(id);
  if (sha256(session.bytes) !== digest) return refuse(response, 400, "DIGEST_INVALID");
  registry.blobs.set(`${session.repository}@${digest}`, session.bytes);
  response.writeHead(201, { "docker-content-digest": digest }).end();
}

/** Appends a body to a session; false if it broke off. */
async function receive(registry: Registry, request: IncomingMessage, id: string): Promise<boolean> {
  const session = registry.sessions.get(id);
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece);
    return true;
  } catch {
    if (registry.options.broken !== "kept") registry.sessions.delete(id);
    return false;
  } finally {
    if (session !== undefined) session.bytes = Buffer.concat([session.bytes, ...pieces]);
  }
}

function answerSession(
  { options }: Registry,
  { url, response }: Pick<Exchange, "url" | "response">,
  { id, session, status }: { id: string; session: Session; status: number },
): void {
  // GET must not make the Location that is known already a stale one.
  if (status !== 204) session.state = randomUUID();
  const path = `/v2/${session.repository}/blobs/uploads/${id}?_state=${session.state}`;
  const origin = {
    relative: "",
    absolute: url.origin.replace("http:", options.tls ? "https:" : "http:"),
    downgraded: `http://${url.hostname}`,
  };
  const range = `0-${Math.max(0, session.bytes.length - 1)}`;
  response.writeHead(status, { location: origin[options.location ?? "absolute"] + path, range }).end();
}

function refuse(response: ServerResponse, code: number, error: string): void {
  response
    .writeHead(code, { "content-type": "application/json" })
    .end(JSON.stringify({ errors: [{ code: error, message: "no" }] }));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
