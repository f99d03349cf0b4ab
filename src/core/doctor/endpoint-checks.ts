// The mirrors and registries of the config, as seen from this node: whether they answer, take the credentials, show a
// certificate that holds, agree about the time, and are reached the right way.

import ipaddr from "ipaddr.js";
import { describeFault } from "../describe-fault.ts";
import type { ProbeReason } from "../probe-result.ts";
import { chooseProxy } from "../proxy.ts";
import { type Check, fail, ok, SOON_MS, warn } from "./check.ts";
import type { DoctorFacts, EndpointFacts } from "./facts.ts";

/** Whether each answers. An upstream that does not is no failure of this node's: the mirrors are there for that. */
export function checkEndpoints({ endpoints, nowMs }: DoctorFacts): Check[] {
  return endpoints.map(({ endpoint, probe }) => {
    const name = `${endpoint.role} ${endpoint.url}`;
    if (probe.ok) return ok("endpoint", `${name} answers in ${Math.round(probe.latencyMs)} ms`);
    const found = `${name}: ${describeFault(probe, { ...probe, nowMs })}`;
    const mend = MENDS[probe.reason] ?? `look at the server of ${endpoint.url}`;
    return endpoint.role === "mirror" ? fail("endpoint", found, mend) : warn("endpoint", found, mend);
  });
}

const MENDS: Readonly<Partial<Record<ProbeReason, string>>> = {
  refused: "start the registry there, or correct the port in the config",
  "connect-timeout": "look for a firewall on the way; nothing answers there",
  unreachable: "look at this node's routes (ip route get ADDRESS)",
  dns: "mend name resolution (getent hosts NAME; /etc/resolv.conf), or write the address into the config",
  tls: "the server does not speak TLS there: write http:// into the config, or give it a certificate",
  "certificate-expired": "renew the server's certificate",
  "tls-timeout": "restart the registry, or what ends TLS in front of it: it accepts connections and says nothing",
  unauthorized: "correct the credential that the config names for it; mirror-agent check",
  forbidden: "let this credential read there, or name another one in the config",
  "not-found": "correct the path of the endpoint in the config",
  "rate-limited": "raise its limit, or give it a credential: limits are usually wider then",
  "server-error": "look at the registry's own log: it answers, and says that it is broken",
  "redirect-loop": "mend what is in front of the registry (load balancer, ingress): it sends back to itself",
  "certificate-untrusted": "name the authority of its certificate with caCertPath",
  "response-timeout": "restart the registry: it takes requests and never answers",
  "not-a-registry": "correct the endpoint in the config: something else answers there",
  proxy: "mend HTTPS_PROXY or NO_PROXY of containerd's unit",
};

/** What the answer to /v2/ hides: images of this node that a mirror lists and cannot deliver. */
export function checkContents({ images }: DoctorFacts): Check[] {
  const troubles = images.flatMap(({ image, troubles }) => troubles.map((trouble) => ({ image, ...trouble })));
  return [...Map.groupBy(troubles, ({ endpoint }) => endpoint)].map(([endpoint, [first, ...others]]) => {
    const more =
      others.length === 0
        ? ""
        : `; ${others.length} other ${others.length === 1 ? "image fails" : "images fail"} there too`;
    const found = `mirror ${endpoint} answers, but does not deliver ${first?.image}: its ${first?.part}: ${first?.found}${more}`;
    return fail(
      "contents",
      found,
      "look at the registry's storage (disk, bucket, cache) and its log; its /v2/ is fine",
    );
  });
}

/** How often in an hour a mirror may go down before its coming back is not worth much. */
const MOST_FALLS = 3;
const HOUR_MS = 3_600_000;

/** Mirrors that come and go: each look may find them well. */
export function checkFlapping({ agent, nowMs }: DoctorFacts): Check[] {
  const falls = agent.falls.filter(({ atMs }) => nowMs - atMs < HOUR_MS);
  return [...Map.groupBy(falls, ({ endpoint }) => endpoint)].flatMap(([endpoint, all]) => {
    if (all.length < MOST_FALLS) return [];
    const reasons = [...new Set(all.map(({ reason }) => reason))].join(", ");
    const found = `${endpoint} comes and goes: it went down ${all.length} times in the last hour (${reasons})`;
    const mend = "find out what is unstable (memory, a load balancer's backends, two hosts with one address)";
    return [warn("flapping", found, mend)];
  });
}

/** Certificates that end soon, or have. */
export function checkCertificates({ endpoints, nowMs }: DoctorFacts): Check[] {
  return endpoints.flatMap(({ endpoint, probe }) => {
    const endsAtMs = probe.certificateExpiresAtMs;
    if (endsAtMs === null) return [];
    const day = new Date(endsAtMs).toISOString().slice(0, 10);
    const mend = `renew the certificate of ${endpoint.url}`;
    if (endsAtMs <= nowMs) return [fail("certificate", `the certificate of ${endpoint.url} expired on ${day}`, mend)];
    if (endsAtMs > nowMs + SOON_MS) return [ok("certificate", `the certificate of ${endpoint.url} holds until ${day}`)];
    return [warn("certificate", `the certificate of ${endpoint.url} expires on ${day}`, mend)];
  });
}

/** Credentials that cannot be read, are refused, or do not reach containerd. */
export function checkCredentials({ endpoints }: DoctorFacts): Check[] {
  const checks = endpoints.flatMap(({ credentialProblems, credentialWarnings }) => [
    ...credentialProblems.map((found) => fail("credential", found, "correct the file that the config names for it")),
    ...credentialWarnings.map((found) => warn("credential", found, "see docs/credentials.md")),
  ]);
  return checks.length > 0 || endpoints.length === 0 ? checks : [ok("credential", "no credential is refused")];
}

/** Mirrors inside that containerd would ask its proxy for. */
export function checkProxy({ endpoints, proxy }: DoctorFacts): Check[] {
  if (proxy.httpProxy === "" && proxy.httpsProxy === "") return [ok("proxy", "containerd uses no proxy")];
  const through = endpoints.filter(({ endpoint }) => chooseProxy(endpoint.url, proxy) !== null);
  const inside = through.filter(isInside);
  if (inside.length === 0)
    return [ok("proxy", `${through.length} of ${endpoints.length} endpoints are reached through containerd's proxy`)];
  return inside.map(({ endpoint }) => {
    const host = new URL(endpoint.url).hostname;
    const mend = `add ${host} to NO_PROXY of containerd's unit, then systemctl daemon-reload and restart containerd`;
    return warn("proxy", `containerd asks its proxy for ${endpoint.url}, which is inside`, mend);
  });
}

/** Images that are pulled from the upstream although there are mirrors for them. */
export function checkImages({ images }: DoctorFacts): Check[] {
  const asked = images.filter(({ haveMirrorsAnswered }) => haveMirrorsAnswered);
  const missing = asked.filter(({ isAtMirror, isAtUpstream }) => isAtUpstream && !isAtMirror);
  if (missing.length === 0) {
    const there = asked.filter(({ isAtMirror }) => isAtMirror);
    return asked.length === 0 ? [] : [ok("images", describeFound(there.length, asked.length))];
  }
  return missing.map(({ image }) => {
    const mend = `mirror-agent save images --output images.tar ${image}, and push images to the mirror`;
    return warn("images", `only the upstream has ${image}`, mend);
  });
}

// What nobody has may have been built on this node.
function describeFound(count: number, of: number): string {
  if (count < of)
    return `the mirrors have ${count} of ${of} images that were looked for, and no upstream has the others`;
  return of === 1
    ? "the mirrors have the image that was looked for"
    : `the mirrors have all ${of} images that were looked for`;
}

function isInside({ endpoint }: EndpointFacts): boolean {
  const host = new URL(endpoint.url).hostname.replace(/^\[|\]$/g, "");
  if (!ipaddr.isValid(host)) return endpoint.role === "mirror" && !host.includes(".");
  return ["private", "uniqueLocal", "linkLocal"].includes(ipaddr.process(host).range());
}
