// What one request to an unhealthy server costs a pull, and whether containerd then asks the next one. Measured on
// 1.6.20, 1.7.24 and 2.1.9; the other versions are read from their sources.

import { answerTimeoutMs, type ContainerdVersion } from "../containerd-config/versions.ts";
import type { Unanswered } from "./answers.ts";

export type FailureCost =
  /** The next server is asked after so long. */
  | { readonly kind: "next"; readonly ms: number }
  /** The pull waits, and no other server is asked; null: for ever. */
  | { readonly kind: "hangs"; readonly cancelledAfterMs: number | null }
  /** The pull fails, although other servers may have the image. */
  | { readonly kind: "fails" };

export interface PullMode {
  readonly version: ContainerdVersion;
  /** Through the CRI's own code and not through the transfer service: see pullsLocally. */
  readonly isLocal: boolean;
  /** See progressTimeoutMs(). */
  readonly progressTimeoutMs: number | null;
}

/** Go's limit for a handshake (docker.DefaultHTTPTransport). */
export const TLS_TIMEOUT_MS = 10_000;

/** What a server that gave no whole answer costs; `dialTimeoutMs` is the host's. */
export function costOf(failure: Unanswered, dialTimeoutMs: number, mode: PullMode): FailureCost {
  if (failure.reason === "body-stall") return { kind: "hangs", cancelledAfterMs: mode.progressTimeoutMs };
  if (failure.reason === "response-timeout") return costOfSilence(mode);
  if (failure.begun) return { kind: "fails" };
  if (failure.reason === "connect-timeout") return { kind: "next", ms: dialTimeoutMs };
  if (failure.reason === "tls-timeout") return { kind: "next", ms: TLS_TIMEOUT_MS };
  return { kind: "next", ms: failure.ms };
}

/** What a server costs that takes the request and says nothing. */
export function costOfSilence({ version, isLocal, progressTimeoutMs }: PullMode): FailureCost {
  const limitMs = answerTimeoutMs(version);
  if (limitMs !== null) return { kind: "next", ms: limitMs };
  // The transfer service's watchdog counts from the first byte on, so before it there is none.
  return { kind: "hangs", cancelledAfterMs: isLocal ? progressTimeoutMs : null };
}
