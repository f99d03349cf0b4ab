// What the node does now, as /run/mirror-agent/status.json (schema 1) holds it: read by `mirror-agent status`,
// by monitoring and by people. Keys are only ever added; nothing in it is a secret.

import type { ConfigIssue } from "../core/config-issue.ts";
import type { Freeing } from "../core/freeing.ts";
import type { ProbeReason } from "../core/probe-result.ts";
import type { RecentTransition } from "../core/recent-transitions.ts";
import { humaniseCount, humaniseList, renderDay } from "./humanise.ts";

/** Times are ISO 8601 in UTC. */
export interface Status {
  readonly schema: 1;
  readonly updatedAt: string;
  readonly config: StatusConfig;
  readonly containerd: StatusContainerd;
  readonly endpoints: readonly StatusEndpoint[];
  readonly routes: readonly StatusRoute[];
  /** The last twenty, the newest first; missing in what an earlier version wrote. */
  readonly transitions?: readonly StatusTransition[];
  /** How pulls that hang are freed here; null until it was tried, missing in what an earlier version wrote. */
  readonly freeing?: Freeing | null;
}

export interface StatusConfig {
  readonly path: string;
  /** "rejected": `issues` says why, and the last good config is in force. */
  readonly state: "applied" | "rejected" | "pending";
  readonly issues: readonly ConfigIssue[];
  readonly appliedAt: string | null;
}

export interface StatusContainerd {
  readonly version: string | null;
  /** Whether containerd reads the routes that the agent writes. */
  readonly inEffect: boolean;
  /** Why it does not; null where it does. */
  readonly problem: string | null;
  readonly restartOwed: boolean;
  readonly lastRestartAt: string | null;
}

export interface StatusEndpoint {
  readonly endpoint: string;
  readonly role: "mirror" | "upstream";
  readonly state: "up" | "down" | "unknown";
  readonly since: string;
  readonly reason: ProbeReason | null;
  /** The clause behind `reason`, for people. */
  readonly detail: string | null;
  readonly latencyMs: number | null;
  readonly certificateExpiresAt: string | null;
  /** Null where none was named for it. */
  readonly credential: StatusCredential | null;
}

export interface StatusRoute {
  readonly registry: string;
  /** The mirrors that pulls go to now, in the order of trying. */
  readonly endpoints: readonly string[];
  /** Null where the upstream is never contacted. */
  readonly upstream: string | null;
  readonly failedOver: boolean;
  /** The mirrors that pulls go past while they are down; missing in what an earlier version wrote. */
  readonly leftOut?: readonly string[];
  /** How containerd's own fallback authenticates; null where no credential was named for it. */
  readonly upstreamCredential: StatusCredential | null;
}

/** One change of an endpoint's state. It survives a restart of the agent and of the node. */
export interface StatusTransition extends Omit<RecentTransition, "atMs"> {
  readonly at: string;
}

/** How a credential reaches containerd, and why on this way. */
export interface StatusCredential {
  readonly kind: "anonymous" | "header" | "header-token-endpoint" | "config-auth" | "impossible";
  readonly because: string;
  /** What is wrong with it, and what mends that; null if nothing is. */
  readonly problem: string | null;
}

/** 0 when all is up, in force and in effect, credentials too; 1 when something is not. */
export function statusExitCode(status: Status): 0 | 1 {
  const allUp = status.endpoints.every(({ state }) => state !== "down");
  const allAuthenticate = credentialsOf(status).every(({ credential }) => credential.problem === null);
  return allUp && allAuthenticate && status.config.state !== "rejected" && status.containerd.inEffect ? 0 : 1;
}

/** One line for systemd's STATUS=: "2 mirrors up, 1 down; gcr.io fails over to upstream since 03:12". */
export function summarise(status: Status): string {
  return findHeadlines(status).join("; ");
}

/** What matters now, the health of the mirrors first. */
export function findHeadlines(status: Status): readonly string[] {
  const parts = [countMirrors(status), describeFailover(status), countProblems(status)];
  const inForce = status.routes.length > 0 ? "the last good one" : "none";
  if (status.config.state === "rejected") parts.push(`config rejected, ${inForce} is in force`);
  if (!status.containerd.inEffect) parts.push("containerd does not read the routes");
  return parts.filter(Boolean);
}

export interface NamedCredential {
  readonly endpoint: string;
  readonly credential: StatusCredential;
}

/** The credential of every endpoint that one was named for, each endpoint once. */
export function credentialsOf({ endpoints, routes }: Pick<Status, "endpoints" | "routes">): NamedCredential[] {
  const upstreams = routes.map(({ upstream, upstreamCredential }) => [upstream, upstreamCredential] as const);
  const all = [...endpoints.map(({ endpoint, credential }) => [endpoint, credential] as const), ...upstreams];
  const named = all.flatMap(([endpoint, credential]) => (endpoint && credential ? [{ endpoint, credential }] : []));
  return [...new Map(named.map((each) => [JSON.stringify(each), each])).values()];
}

function countProblems(status: Status): string {
  const count = credentialsOf(status).filter(({ credential }) => credential.problem !== null).length;
  if (count === 0) return "";
  return `${humaniseCount(count, "credential")} ${count === 1 ? "does" : "do"} not work`;
}

function countMirrors({ endpoints }: Status): string {
  const mirrors = endpoints.filter(({ role }) => role === "mirror");
  if (mirrors.length === 0) return "no mirrors";
  const count = (wanted: StatusEndpoint["state"]): number => mirrors.filter(({ state }) => state === wanted).length;
  const others = (["down", "unknown"] as const).filter((state) => count(state) > 0);
  return [`${humaniseCount(count("up"), "mirror")} up`, ...others.map((state) => `${count(state)} ${state}`)].join(
    ", ",
  );
}

function describeFailover(status: Status): string {
  const registries = status.routes.filter(({ failedOver }) => failedOver).map(({ registry }) => registry);
  if (registries.length === 0) return "";
  const down = status.endpoints.filter(({ role, state }) => role === "mirror" && state === "down");
  const since = down
    .map((endpoint) => endpoint.since)
    .sort()
    .at(-1);
  const verb = registries.length === 1 ? "fails" : "fail";
  return `${humaniseList(registries)} ${verb} over to upstream${since === undefined ? "" : ` since ${renderClock(since, status.updatedAt)}`}`;
}

// Local time, as the journal shows it, and with the day once "03:12" alone would mislead.
function renderClock(iso: string, nowIso: string): string {
  const at = new Date(iso);
  const clock = at.toTimeString().slice(0, 5);
  if (at.toDateString() === new Date(nowIso).toDateString()) return clock;
  return `${renderDay(at)} ${clock}`;
}
