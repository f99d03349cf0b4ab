// The faults of a mirror, and the words by which somebody who does not know which it is can name it.

import type { Behaviour } from "../lab/faulty-server.ts";

export interface Fault {
  readonly name: string;
  readonly title: string;
  readonly behaviour: Behaviour | "black-hole" | "flapping";
  /** It shows only behind /v2/. */
  readonly isDeep: boolean;
  readonly explain: RegExp;
  readonly doctor: RegExp;
  /** Null: the agent lets pulls go on there. */
  readonly journal: RegExp | null;
  readonly mend: string;
}

const fault = (
  name: string,
  behaviour: Fault["behaviour"],
  title: string,
  words: Pick<Fault, "explain" | "doctor" | "journal" | "mend"> & { isDeep?: boolean },
): Fault => ({ isDeep: false, ...words, name, behaviour, title });

export const FAULTS: readonly Fault[] = [
  fault("refused", "refused", "Nothing listens on the port", {
    explain: /HEAD +refused: nothing listens there/,
    doctor: /refused: nothing listens there/,
    journal: /is down: refused \(connect ECONNREFUSED/,
    mend: "Start the registry, or correct the port in the config.",
  }),
  fault("black-hole", "black-hole", "Packets vanish", {
    explain: /HEAD +connect-timeout: packets to it vanish: it is gone, or a firewall drops them/,
    doctor: /connect-timeout: packets to it vanish/,
    journal: /is down: connect-timeout \(no connection within/,
    mend: "Is the host there (`ping`), is a firewall in between (`nft list ruleset` here and there)? Without the agent each request of each pull waits for it.",
  }),
  fault("silent-accept", "silent", "The server takes requests and never answers", {
    explain: /HEAD +response-timeout: it accepts connections and does not answer/,
    doctor: /response-timeout: it accepts connections and does not answer/,
    journal: /is down: response-timeout \(no answer to the request within/,
    mend: "Restart the registry; look at its storage first, it usually waits for that. Without the agent pulls hang.",
  }),
  fault("tls-stall", "tls-stalls", "The TLS handshake is never answered", {
    explain: /HEAD +tls-timeout: it accepts connections and does not answer the TLS handshake/,
    doctor: /tls-timeout: it accepts connections and does not answer the TLS handshake/,
    journal: /is down: tls-timeout \(TLS handshake not complete within/,
    mend: "Restart what ends TLS in front of the registry (ingress, load balancer, the registry itself).",
  }),
  fault("error-503", "status-503", "The server answers 5xx", {
    explain: /HEAD +503 in .*: it is broken inside/,
    doctor: /server-error: it is broken inside \(503 Service Unavailable\)/,
    journal: /is down: server-error \(503 Service Unavailable/,
    mend: "Look at the registry's own log; a load balancer answers 502 or 503 when it has no registry behind it.",
  }),
  fault("refused-401", "status-401", "The credential is refused", {
    explain: /HEAD +401 in .*: it refuses the credential, or wants one that it is not given/,
    doctor: /refuses the credential; correct it in the file that holds it/,
    journal: /is down: unauthorized \(.* refuses our credential\)/,
    mend: "Correct the file that `pullCredentialConfigPath` names; it is applied when it is saved. [credentials.md](credentials.md)",
  }),
  fault("expired", "certificate-expired", "The certificate has expired", {
    explain: /HEAD +certificate-expired: its certificate expired \d+ (hours|days) ago/,
    doctor: /certificate-expired: its certificate expired \d+ (hours|days) ago/,
    journal: /is down: certificate-expired \(certificate has been expired since/,
    mend: "Renew the registry's certificate. `doctor` and `status` warn 30 days before.",
  }),
  fault("web-page", "html", "Something else answers: a web page", {
    explain: /HEAD +200 in .*: it answers with a web page, not a registry/,
    doctor: /not-a-registry: it answers with a web page, not a registry/,
    journal: /is down: not-a-registry \(200 OK with an HTML page/,
    mend: "Correct the endpoint: a login page, a captive portal or a load balancer's welcome page is there.",
  }),
  fault("blob-silent", "blob-silent", "Manifests are served, blobs are never answered", {
    isDeep: true,
    explain: /manifest +200 in [\s\S]*blob +response-timeout: it accepts connections and does not answer/,
    doctor: /answers, but does not deliver .*: its blob: response-timeout: it accepts connections and does not answer/,
    journal: /is down: response-timeout \(blob of /,
    mend: "Look at the registry's storage: manifests come from its cache or database, blobs from a disk or bucket that does not answer.",
  }),
  fault("blob-stall", "blob-stall", "Blobs begin and stop", {
    isDeep: true,
    explain: /blob +body-stall: it begins to answer and stops in the middle/,
    doctor: /does not deliver .*: its blob: body-stall: it begins to answer and stops in the middle/,
    journal: /is down: body-stall \(blob of /,
    mend: "Look at the registry's storage, and at proxies and MTU on the way: small answers pass and large ones do not.",
  }),
  fault("blob-truncated", "blob-truncated", "Blobs end too early", {
    isDeep: true,
    explain: /blob +connection-reset: it breaks connections off/,
    doctor: /does not deliver .*: its blob: connection-reset: it breaks connections off/,
    journal: /is down: connection-reset \(blob of /,
    mend: "Look at the registry's storage (a file that is shorter than it should be) and at proxies that cut answers off.",
  }),
  fault("slow-drip", "slow-drip", "Answers trickle", {
    isDeep: true,
    explain:
      /(blob|manifest) +(slow: it answers, but far too slowly|200 in .*: it sends far too slowly, \d+ bytes a second)/,
    doctor: /does not deliver .*: (slow: it answers, but far too slowly|200 in .*: it sends far too slowly)/,
    journal: /is down: body-stall \((manifest|blob) of .* bytes came, the last \d+ ms ago\)/,
    mend: "Look at the line and the load of the registry; `probe.maxLatency` of the mirror says what is too slow for you.",
  }),
  fault("flapping", "flapping", "It comes and goes", {
    explain: /it comes and goes: it went down \d+ times in the last hour/,
    doctor: /comes and goes: it went down \d+ times in the last hour/,
    journal: /has failed soon after recovering .* and must now answer for/,
    mend: "Find what is unstable: memory, a load balancer with one dead backend, two hosts with one address. The agent makes it prove itself longer each time.",
  }),
];
