// What a faulty registry answers to one request, by behaviour. The healthy answer comes from files in memory
// or from a real registry behind it, so that a fault is one change to something that otherwise works.

import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { buffer } from "node:stream/consumers";
import { sha256 } from "./image.ts";
import type { RegistryFile, RegistryFiles } from "./image-files.ts";

/** Where healthy answers come from; `upstream` is the root of a registry that speaks plain HTTP. */
export type Source = { readonly files: RegistryFiles } | { readonly upstream: string };

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly source: Source;
}

type Answering = (exchange: Exchange) => void | Promise<void>;

export const heal: Answering = ({ request, response, source }) => {
  if ("files" in source) return answerFromFiles(request, response, source.files);
  forward({ request, response, source }, source.upstream, (answer) => {
    response.writeHead(answer.statusCode ?? 502, passableHeaders(answer));
    pipeline(answer, response, () => {});
  });
};

export const staySilent: Answering = () => {};

/** In bytes: more than a probe reads, and less than a layer may be. */
const LARGE = 100_000;

/** Sends the headers of the healthy answer and half of its body, and then nothing. */
export const stall: Answering = (exchange) => sendPart(exchange, () => {});

/** The same for bodies that are large; the last byte that comes is a moment behind the others. */
export const stallLarge: Answering = (exchange) =>
  withBody(exchange, (body) => {
    if (body.length < LARGE) return void exchange.response.end(body);
    const half = Math.floor(body.length / 2);
    exchange.response.write(body.subarray(0, half));
    setTimeout(() => exchange.response.write(body.subarray(half, half + 1)), 50);
  });

/** Answers nothing where the body would be large. */
export const staySilentIfLarge: Answering = (exchange) => {
  const { request, source } = exchange;
  if (!("files" in source)) throw new Error("Cannot tell how large an answer is: it is not from files");
  return findFile(request, source.files).file.body.length < LARGE ? heal(exchange) : undefined;
};

/** Sends half of the body that the headers announce, and ends the connection. */
export const truncate: Answering = (exchange) => sendPart(exchange, () => exchange.response.destroy());

/** Sends the body with one bit changed, and everything else as it was. */
export const corrupt: Answering = (exchange) =>
  withBody(exchange, (body) => {
    const wrong = Buffer.from(body);
    wrong.writeUInt8((wrong[wrong.length - 1] ?? 0) ^ 1, wrong.length - 1);
    exchange.response.end(wrong);
  });

/** Sends eight bytes every 20 ms. */
export const drip: Answering = ({ response, ...exchange }) =>
  withBody({ ...exchange, response }, (body) => {
    let sent = 0;
    const timer = setInterval(() => {
      response.write(body.subarray(sent, sent + 8));
      sent += 8;
      if (sent >= body.length) response.end();
    }, 20);
    response.once("close", () => clearInterval(timer));
    response.once("finish", () => clearInterval(timer));
  });

export function answerStatus(status: number, headers: Readonly<Record<string, string>> = {}): Answering {
  return ({ response }) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify({ errors: [{ code: "FAULT", message: `status ${status}` }] }));
  };
}

/** Wants a token for everything, which it gives itself, to anybody. */
export const askForToken: Answering = (exchange) => {
  const { request, response } = exchange;
  if (request.url?.startsWith("/token")) return void response.end('{"token":"lab"}');
  if (request.headers.authorization === "Bearer lab") return heal(exchange);
  const challenge = `Bearer realm="http://${request.headers.host}/token",service="lab"`;
  return answerStatus(401, { "WWW-Authenticate": challenge })(exchange);
};

export const answerHtml: Answering = ({ response }) => {
  response.writeHead(200, { "Content-Type": "text/html" });
  response.end("<!doctype html><title>Sign in</title><p>Welcome to this network");
};

export const redirectToItself: Answering = ({ request, response }) => {
  response.writeHead(302, { Location: request.url ?? "/" });
  response.end();
};

function sendPart(exchange: Exchange, then: () => void): void | Promise<void> {
  return withBody(exchange, (body) => {
    exchange.response.write(body.subarray(0, Math.floor(body.length / 2)), then);
  });
}

/** Sends the healthy answer's headers; the body, if there is one, is the caller's. */
function withBody(exchange: Exchange, send: (body: Buffer) => void): void | Promise<void> {
  const { request, response, source } = exchange;
  if (request.method !== "GET") return heal(exchange);
  const start = (status: number, headers: OutgoingHttpHeaders, body: Buffer): void => {
    if (response.destroyed) return;
    response.writeHead(status, { ...headers, "content-length": body.length });
    if (body.length === 0) response.end();
    else send(body);
  };
  if ("files" in source) {
    const { status, headers, file } = findFile(request, source.files);
    return start(status, headers, file.body);
  }
  forward(exchange, source.upstream, (answer) => {
    const sendWhole = (body: Buffer): void => start(answer.statusCode ?? 502, passableHeaders(answer), body);
    buffer(answer).then(sendWhole, () => response.destroy());
  });
}

/** The Host stays the client's: a registry builds the addresses of uploads from it. */
function forward(exchange: Exchange, upstream: string, onAnswer: (answer: IncomingMessage) => void): void {
  const { request, response } = exchange;
  const { method = "GET", headers } = request;
  const passing = httpRequest(new URL(request.url ?? "/", upstream), { method, headers, agent: false }, onAnswer);
  passing.on("error", () => response.destroy());
  pipeline(request, passing, () => {});
  response.once("close", () => passing.destroy());
}

/** Without what concerns only the connection to the upstream. */
function passableHeaders(answer: IncomingMessage): OutgoingHttpHeaders {
  const { connection, "keep-alive": keepAlive, "transfer-encoding": encoding, ...headers } = answer.headers;
  return headers;
}

function answerFromFiles(request: IncomingMessage, response: ServerResponse, files: RegistryFiles): void {
  const { status, headers, file } = findFile(request, files);
  response.writeHead(status, { ...headers, "content-length": file.body.length });
  response.end(request.method === "HEAD" ? undefined : file.body);
}

interface Found {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly file: RegistryFile;
}

const API_VERSION = { "docker-distribution-api-version": "registry/2.0" };
const ROOT: RegistryFile = { type: "application/json", body: Buffer.from("{}") };
const ABSENT: RegistryFile = { type: "application/json", body: Buffer.from('{"errors":[{"code":"NAME_UNKNOWN"}]}') };

function findFile(request: IncomingMessage, files: RegistryFiles): Found {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const file = pathname === "/v2/" ? ROOT : files.get(pathname);
  if (file === undefined)
    return { status: 404, headers: { ...API_VERSION, "content-type": ABSENT.type }, file: ABSENT };
  const headers = { ...API_VERSION, "content-type": file.type, "docker-content-digest": sha256(file.body) };
  return { status: 200, headers, file };
}
