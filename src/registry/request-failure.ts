// Why a request got no answer, in the words of the documented list. Node reports it as an error code of the
// system, of OpenSSL or of its HTTP parser, or not at all when we stopped waiting: then the phase says it.

import type { ProbeReason } from "../core/probe-result.ts";

/** How far a request has come; "proxy" is everything until the proxy has opened its tunnel. */
export type Phase = "lookup" | "connect" | "proxy" | "tls" | "response" | "body";

/** A request that got no whole answer. The message is one clause without secrets. */
export class RequestFailure extends Error {
  readonly reason: ProbeReason;
  readonly certificateExpiresAtMs: number | null;
  /** Whether the headers of an answer had come. */
  readonly begun: boolean;
  /** Whether its body still came when the time was up. */
  readonly flowing: boolean;

  constructor(
    reason: ProbeReason,
    detail: string,
    options: { expiresAtMs?: number | null; begun?: boolean; flowing?: boolean; cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.reason = reason;
    this.certificateExpiresAtMs = options.expiresAtMs ?? null;
    this.begun = options.begun ?? false;
    this.flowing = options.flowing ?? false;
  }
}

interface Circumstances {
  readonly phase: Phase;
  readonly proxied: boolean;
  readonly expiresAtMs: number | null;
  /** What has come of the body; null where that is not known. */
  readonly received?: Received | null;
}

export interface Received {
  readonly bytes: number;
  /** How long ago the last of them came. */
  readonly quietMs: number;
}

/** The failure when the time was up. */
export function explainTimeout(
  timeoutMs: number,
  { phase, proxied, expiresAtMs, received = null }: Circumstances,
): RequestFailure {
  const { reason, missing } = TIMEOUTS[proxied && isBeforeTunnel(phase) ? "proxy" : phase];
  const came = phase === "body" && received !== null ? describeReceived(received) : "";
  return new RequestFailure(reason, `${missing} within ${Math.round(timeoutMs)} ms${came}`, {
    expiresAtMs,
    begun: phase === "body",
    flowing: phase === "body" && received !== null && received.bytes > 0 && received.quietMs < timeoutMs / 2,
  });
}

function describeReceived({ bytes, quietMs }: Received): string {
  if (bytes === 0) return ": no byte of it came";
  return `: ${bytes} bytes came, the last ${Math.round(quietMs)} ms ago`;
}

/** The failure for an error of node:net, node:tls or node:http; an error without a code is a fault of ours and is thrown. */
export function explainError(error: unknown, { phase, proxied, expiresAtMs }: Circumstances): RequestFailure {
  if (error instanceof RequestFailure) return error;
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const code = (first as NodeJS.ErrnoException | undefined)?.code;
  if (!(first instanceof Error) || code === undefined) throw error;
  const options = { expiresAtMs, begun: phase === "body", cause: error };
  if (proxied && isBeforeTunnel(phase)) return new RequestFailure("proxy", `proxy: ${plainMessage(first)}`, options);
  const reason = reasonOf(code);
  return new RequestFailure(reason, detailOf(first, { reason, code }), options);
}

const TIMEOUTS: Readonly<Record<Phase, { reason: ProbeReason; missing: string }>> = {
  lookup: { reason: "dns", missing: "no answer from the resolver" },
  connect: { reason: "connect-timeout", missing: "no connection" },
  proxy: { reason: "proxy", missing: "no connection through the proxy" },
  tls: { reason: "tls-timeout", missing: "TLS handshake not complete" },
  response: { reason: "response-timeout", missing: "no answer to the request" },
  body: { reason: "body-stall", missing: "body not complete" },
};

function isBeforeTunnel(phase: Phase): boolean {
  return phase === "lookup" || phase === "connect" || phase === "proxy";
}

const REASON_OF_CODE: Readonly<Record<string, ProbeReason>> = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "connect-timeout",
  ECONNRESET: "connection-reset",
  ECONNABORTED: "connection-reset",
  EPIPE: "connection-reset",
  ERR_STREAM_PREMATURE_CLOSE: "connection-reset",
  ENOTFOUND: "dns",
  EPROTO: "tls",
};

const REASON_OF_PREFIX: readonly (readonly [string, ProbeReason])[] = [
  ["EAI_", "dns"],
  ["ERR_SSL_", "tls"],
  ["ERR_OSSL_", "tls"],
  ["ERR_TLS_", "tls"],
  ["HPE_", "not-a-registry"],
];

/** What is left are routes (EHOSTUNREACH, ENETUNREACH) and this node's own limits (EMFILE, EACCES): no way there. */
function reasonOf(code: string): ProbeReason {
  return REASON_OF_CODE[code] ?? REASON_OF_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1] ?? "unreachable";
}

function detailOf(error: Error, { reason, code }: { reason: ProbeReason; code: string }): string {
  // OpenSSL's message is a line of numbers; its `reason` is the part for people.
  if (reason === "tls") return `TLS: ${(error as { reason?: string }).reason ?? code}`;
  if (reason === "not-a-registry") return "the answer is not HTTP";
  if (reason === "connection-reset") return "the server closed the connection without a whole answer";
  return plainMessage(error);
}

/** node:net adds our own side, " - Local (0.0.0.0:0)", which helps nobody. */
function plainMessage(error: Error): string {
  return error.message.replace(/ - Local \(.*\)$/, "");
}
