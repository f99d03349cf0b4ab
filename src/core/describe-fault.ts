// What is the matter with a server, in words that name the fault: "response-timeout" is for programs, and says to few
// people what they would see with curl.

import type { ProbeReason } from "./probe-result.ts";

export interface Fault {
  readonly reason: ProbeReason;
  /** The clause that was measured: "connect ECONNREFUSED 127.0.0.1:5000". */
  readonly detail: string;
}

export interface FaultContext {
  readonly certificateExpiresAtMs: number | null;
  readonly nowMs: number;
}

/** "refused: nothing listens there (connect ECONNREFUSED 127.0.0.1:5000)" */
export function describeFault({ reason, detail }: Fault, context: FaultContext): string {
  const words = reason === "certificate-expired" ? describeExpiry(context) : WORDS[reason];
  return `${reason}: ${words} (${detail})`;
}

const WORDS: Readonly<Record<Exclude<ProbeReason, "certificate-expired">, string>> = {
  refused: "nothing listens there",
  "connect-timeout": "packets to it vanish: it is gone, or a firewall drops them",
  unreachable: "there is no way to it from this node",
  dns: "its name has no address",
  tls: "it does not speak TLS as it should",
  "tls-timeout": "it accepts connections and does not answer the TLS handshake",
  "certificate-untrusted": "its certificate is not trusted here",
  "connection-reset": "it breaks connections off",
  "response-timeout": "it accepts connections and does not answer",
  "body-stall": "it begins to answer and stops in the middle",
  unauthorized: "it refuses the credential, or wants one that it is not given",
  forbidden: "it does not let this credential in",
  "not-found": "it does not have what was asked for",
  "rate-limited": "it has been asked too often",
  "client-error": "it does not understand the request",
  "server-error": "it is broken inside",
  "redirect-loop": "it sends from one address to the next without end",
  "not-a-registry": "it answers with a web page, not a registry",
  proxy: "it cannot be reached through the proxy",
  "wrong-digest": "it serves other bytes than were asked for",
  slow: "it answers, but far too slowly",
};

function describeExpiry({ certificateExpiresAtMs, nowMs }: FaultContext): string {
  if (certificateExpiresAtMs === null || certificateExpiresAtMs > nowMs)
    return "the authority of its certificate has expired";
  return `its certificate expired ${countTime(nowMs - certificateExpiresAtMs)} ago`;
}

/** "2 days", "1 hour": whole ones, of the largest unit. */
function countTime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return count(minutes, "minute");
  return minutes < 48 * 60 ? count(Math.floor(minutes / 60), "hour") : count(Math.floor(minutes / 1440), "day");
}

function count(number: number, unit: string): string {
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}
