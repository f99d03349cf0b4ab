// From what the agent knows to what status.json says.

import type { TakeoverPlan } from "../core/containerd-config/plan-takeover.ts";
import { renderContainerdVersion } from "../core/containerd-config/versions.ts";
import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import type { Freeing } from "../core/freeing.ts";
import { distinct, type RouteDecision } from "../core/routes.ts";
import type { Status, StatusContainerd, StatusCredential, StatusEndpoint, StatusRoute } from "../report/status.ts";
import type { AgentView } from "./agent-ports.ts";
import { compileCredential } from "./compile-credential.ts";

interface StatusContext {
  readonly configPath: string;
  readonly freeing: Freeing | null;
  readonly nowMs: number;
}

/** The status at `nowMs` of a config at `configPath`. */
export function compileStatus(view: AgentView, { configPath, freeing, nowMs }: StatusContext): Status {
  const { inForce, rejected, appliedAtMs } = view;
  return {
    schema: 1,
    updatedAt: iso(nowMs),
    config: {
      path: configPath,
      state: rejected ? "rejected" : inForce ? "applied" : "pending",
      issues: rejected ?? inForce?.issues ?? [],
      appliedAt: appliedAtMs === null ? null : iso(appliedAtMs),
    },
    containerd: compileContainerd(view),
    endpoints: endpointsOf(view.decisions).map((endpoint) => compileEndpoint(endpoint, view)),
    routes: view.decisions.map((decision) => compileRoute(decision, view)),
    transitions: view.health.recent.map(({ atMs, ...transition }) => ({ at: iso(atMs), ...transition })),
    freeing,
  };
}

function compileContainerd({ node }: AgentView): StatusContainerd {
  const version = node?.containerdVersion ?? null;
  const takeover = node?.takeover ?? null;
  return {
    version: version && renderContainerdVersion(version),
    inEffect: takeover?.inEffect ?? false,
    problem: takeover && !takeover.inEffect ? describeProblem(takeover.plan) : null,
    restartOwed: takeover?.restartOwed ?? false,
    lastRestartAt: takeover?.lastRestartAtMs ? iso(takeover.lastRestartAtMs) : null,
  };
}

function describeProblem(plan: TakeoverPlan): string {
  return plan.kind === "refused" ? `${plan.because}; ${plan.mend}` : plan.because;
}

// An upstream is listed where it is in use: while it is not probed, its state would say nothing.
function endpointsOf(decisions: readonly RouteDecision[]): Endpoint[] {
  const mirrors = decisions.flatMap(({ route }) => route.mirrors);
  const upstreams = decisions.flatMap(({ route, out }) => (route.upstream && out.length > 0 ? [route.upstream] : []));
  return distinct([...mirrors, ...upstreams]);
}

function compileEndpoint(endpoint: Endpoint, view: AgentView): StatusEndpoint {
  const { state, sinceMs, reason, detail, latencyMs, certificateExpiresAtMs } = view.health.of(endpoint);
  return {
    endpoint: endpoint.url,
    role: endpoint.role,
    state,
    since: iso(sinceMs),
    reason: state === "up" ? null : reason,
    detail: state === "up" ? null : detail,
    latencyMs: latencyMs === null ? null : Math.round(latencyMs * 10) / 10,
    certificateExpiresAt: certificateExpiresAtMs === null ? null : iso(certificateExpiresAtMs),
    credential: credentialOf(endpoint, view),
  };
}

function compileRoute({ route, mirrors, out, failedOver }: RouteDecision, view: AgentView): StatusRoute {
  return {
    registry: route.registry,
    endpoints: mirrors.map(({ url }) => url),
    upstream: route.upstream?.url ?? null,
    failedOver,
    leftOut: out.map(({ url }) => url),
    upstreamCredential: route.upstream && credentialOf(route.upstream, view),
  };
}

function credentialOf(endpoint: Endpoint, { credentials }: AgentView): StatusCredential | null {
  const state = credentials.get(endpointKey(endpoint));
  return state === undefined ? null : compileCredential(state);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
