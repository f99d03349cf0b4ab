// What one probe measured. The reasons are a documented list: status, logs and metrics use these words.

export const PROBE_REASONS = [
  "refused",
  "connect-timeout",
  "unreachable",
  "dns",
  "tls",
  "tls-timeout",
  "certificate-expired",
  "certificate-untrusted",
  "connection-reset",
  "response-timeout",
  "body-stall",
  "unauthorized",
  "forbidden",
  "not-found",
  "rate-limited",
  "client-error",
  "server-error",
  "redirect-loop",
  "not-a-registry",
  "proxy",
  "wrong-digest",
  "slow",
] as const;

export type ProbeReason = (typeof PROBE_REASONS)[number];

export type ProbeResult = ProbeSuccess | ProbeFailure;

interface Measured {
  readonly latencyMs: number;
  /** When the server's certificate ends, in ms since the epoch; null without TLS or before the handshake. */
  readonly certificateExpiresAtMs: number | null;
}

export interface ProbeSuccess extends Measured {
  readonly ok: true;
  /** Everything that is looked at in this endpoint was looked at: what was down comes up by such a probe alone. */
  readonly isDeep: boolean;
}

export interface ProbeFailure extends Measured {
  readonly ok: false;
  readonly reason: ProbeReason;
  /** One clause for people, without secrets: `503 Service Unavailable`, `connect ECONNREFUSED 127.0.0.1:5000`. */
  readonly detail: string;
}
