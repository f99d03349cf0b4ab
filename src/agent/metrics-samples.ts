// From what the agent knows to the gauges, all of them at once: what is not known is not shown.

import { X509Certificate } from "node:crypto";
import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import type { GaugeName, Labels, Sample } from "../report/metrics-catalogue.ts";
import type { MetricsScope } from "../report/metrics-scope.ts";
import type { AgentView } from "./agent-ports.ts";
import { credentialProblem } from "./endpoint-credentials.ts";

export interface MetricsFacts {
  readonly version: string;
  readonly nodeVersion: string;
  readonly startedAtMs: number;
}

/** The gauges of what the agent knows. */
export function compileSamples(view: AgentView, scope: MetricsScope, facts: MetricsFacts): Sample[] {
  return [
    sample("build_info", 1, { version: facts.version, node_version: facts.nodeVersion }),
    ...time("start_timestamp_seconds", facts.startedAtMs),
    ...time("last_pass_success_timestamp_seconds", view.passedAtMs),
    ...compileConfigState(view),
    ...compileContainerd(view),
    ...scope.endpoints.flatMap((endpoint) => compileEndpoint(endpoint, view, scope)),
    ...view.decisions.flatMap(({ route, mirrors, failedOver, doubted }) => {
      const labels = scope.registryLabels(route.registry);
      if (labels === null) return [];
      return [
        sample("registry_failed_over", Number(failedOver), labels),
        sample("registry_unserved", Number(doubted), labels),
        sample("registry_mirrors_used", mirrors.length, labels),
      ];
    }),
  ];
}

function compileConfigState({ inForce, rejected, appliedAtMs }: AgentView): Sample[] {
  const now = rejected ? "rejected" : inForce ? "applied" : "pending";
  return [
    ...["applied", "rejected", "pending"].map((state) => sample("config_state", Number(state === now), { state })),
    ...time("config_applied_timestamp_seconds", appliedAtMs),
  ];
}

// Before containerd was looked at nothing is known of it.
function compileContainerd({ node }: AgentView): Sample[] {
  const takeover = node?.takeover;
  if (!takeover) return [];
  return [
    sample("containerd_reads_routes", Number(takeover.inEffect)),
    sample("containerd_restart_owed", Number(takeover.restartOwed)),
    ...time("containerd_last_restart_timestamp_seconds", takeover.lastRestartAtMs),
  ];
}

function compileEndpoint(endpoint: Endpoint, view: AgentView, scope: MetricsScope): Sample[] {
  const labels = scope.endpointLabels(endpoint);
  if (labels === null) return [];
  const { state, sinceMs, certificateExpiresAtMs } = view.health.of(endpoint);
  const known = [
    sample("endpoint_up", Number(state === "up"), labels),
    ...time("endpoint_state_timestamp_seconds", sinceMs, labels),
  ];
  return [
    ...(state === "unknown" ? [] : known),
    ...time("certificate_expiry_timestamp_seconds", certificateExpiresAtMs, { ...labels, certificate: "server" }),
    ...compileFiles(endpoint, view, labels),
    ...compileCredential(endpoint, view, labels),
  ];
}

function compileFiles({ tls }: Endpoint, { inForce }: AgentView, labels: Labels): Sample[] {
  const expiry = (path: string | null, certificate: string): Sample[] => {
    const pem = path === null ? undefined : inForce?.tlsFiles.get(path)?.pem;
    const endsAtMs = pem === undefined ? null : lastEndMs(pem);
    return time("certificate_expiry_timestamp_seconds", endsAtMs, { ...labels, certificate });
  };
  return [...expiry(tls.caCertPath, "ca"), ...expiry(tls.clientCertPath, "client")];
}

function compileCredential(endpoint: Endpoint, { credentials }: AgentView, labels: Labels): Sample[] {
  const state = credentials.get(endpointKey(endpoint));
  const isNamed = endpoint.credentialPath !== null || endpoint.gcrKeyPath !== null;
  if (state === undefined || !isNamed) return [];
  return [
    sample("credential_ok", Number(credentialProblem(state) === null), labels),
    ...time("token_expiry_timestamp_seconds", state.tokenExpiresAtMs, labels),
  ];
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const KEPT = 50;
const ends = new Map<string, number>();

/** A bundle may hold old certificates beside the current ones; only its last one's end cuts it off. */
function lastEndMs(pem: string): number {
  const known = ends.get(pem);
  if (known !== undefined) return known;
  const certificates = pem.match(CERTIFICATE) ?? [];
  const endMs = Math.max(...certificates.map((each) => new X509Certificate(each).validToDate.getTime()));
  if (ends.size >= KEPT) ends.clear();
  ends.set(pem, endMs);
  return endMs;
}

function sample(name: GaugeName, value: number, labels: Labels = {}): Sample {
  return { name, labels, value };
}

function time(name: GaugeName, ms: number | null, labels: Labels = {}): Sample[] {
  return ms === null ? [] : [sample(name, ms / 1000, labels)];
}
