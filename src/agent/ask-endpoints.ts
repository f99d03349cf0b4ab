// Asks every endpoint of the config once, for `doctor`: whether it answers, what it takes, what time it is there.

import type { EndpointFacts } from "../core/doctor/facts.ts";
import { type Endpoint, serverRoot } from "../core/endpoint.ts";
import { compileRoutes, endpointsOf } from "../core/routes.ts";
import { ProbeClient } from "../registry/probe.ts";
import { RequestFailure } from "../registry/request-failure.ts";
import type { EndpointCredentials } from "./endpoint-credentials.ts";
import type { NodeView, ObserveOptions } from "./observe-node.ts";
import { openCredentials } from "./open-credentials.ts";
import { tlsMaterialOf } from "./tls-material-of.ts";

/** The config's endpoints as they are now; none without a valid config. */
export async function askEndpoints(
  node: NodeView,
  { env, nowMs }: ObserveOptions,
  signal: AbortSignal,
): Promise<EndpointFacts[]> {
  const { config, tlsFiles } = node.loaded;
  if (config === null) return [];
  const endpoints = endpointsOf(compileRoutes(config));
  const { client } = node;
  const tlsOf = (endpoint: Endpoint) => tlsMaterialOf(endpoint.tls, tlsFiles);
  const credentials = openCredentials({
    client,
    environment: env,
    proxy: () => node.proxy,
    tlsOf,
    stateDir: null,
    nowMs,
    onChange: null,
    signal,
  });
  try {
    await credentials.refresh(endpoints);
    await credentials
      .ask(AbortSignal.any([signal, AbortSignal.timeout(node.timeoutMs)]))
      .catch(() => signal.throwIfAborted());
    return await Promise.all(
      endpoints.map((endpoint) => askOne({ endpoint, credentials }, { ...node, nowMs }, signal)),
    );
  } finally {
    credentials.close();
  }
}

interface Asking {
  readonly endpoint: Endpoint;
  readonly credentials: EndpointCredentials;
}

async function askOne(
  { endpoint, credentials }: Asking,
  node: NodeView & Pick<ObserveOptions, "nowMs">,
  signal: AbortSignal,
): Promise<EndpointFacts> {
  const { client, proxy, timeoutMs, observed } = node;
  const tls = tlsMaterialOf(endpoint.tls, node.loaded.tlsFiles);
  const version = observed.daemon?.version ?? observed.version;
  const { choice, problem, warnings } = credentials.choose(endpoint, version);
  const authorization = choice.kind === "header" ? choice.authorization.reveal() : null;
  const target = { url: endpoint.url, tls, authorization, timeoutMs, proxy };
  const probe = await new ProbeClient({ client }).probe(target, signal);
  const impossible = choice.kind === "impossible" ? [`${endpoint.url}: ${choice.because}; ${choice.mend}`] : [];
  const isRefused = credentials.authOf(endpoint).answer.kind === "refused";
  return {
    endpoint,
    probe,
    credentialProblems: [...(problem === null ? [] : [problem]), ...impossible, ...(isRefused ? warnings : [])],
    credentialWarnings: isRefused ? [] : warnings,
    clockAheadMs: probe.ok ? await readClock(target, node, signal) : null,
  };
}

async function readClock(
  {
    url,
    tls,
    proxy,
    timeoutMs,
  }: { url: string } & Pick<Parameters<ProbeClient["probe"]>[0], "tls" | "proxy" | "timeoutMs">,
  { client, nowMs }: Pick<NodeView, "client"> & Pick<ObserveOptions, "nowMs">,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    const request = { url: new URL("/v2/", serverRoot(url)), headers: {}, tls, proxy, timeoutMs, maxBodyBytes: 1024 };
    const { headers } = await client.get(request, signal);
    const thereMs = Date.parse(headers.date ?? "");
    // The header counts whole seconds, rounded down.
    return Number.isNaN(thereMs) ? null : thereMs + 500 - nowMs();
  } catch (error) {
    if (error instanceof RequestFailure) return null;
    throw error;
  }
}
