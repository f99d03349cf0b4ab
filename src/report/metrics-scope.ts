// Which endpoints and registries have series of their own. Each series costs memory in every Prometheus that ever sees
// it, so their number is bounded whatever the config names: what is beyond the bound shares the label "_other".

import { type Endpoint, endpointKey, type NamedEndpoint } from "../core/endpoint.ts";
import { distinct, type RouteDecision } from "../core/routes.ts";
import type { Labels } from "./metrics-catalogue.ts";

export const MOST_ENDPOINTS = 50;
export const MOST_REGISTRIES = 100;
/** No registry and no URL has such a name. */
export const OTHER = "_other";

export interface MetricsScope {
  /** Mirrors first, each in the order of the config. */
  readonly endpoints: readonly Endpoint[];
  /** Those that have mirrors. */
  readonly registries: readonly string[];
  /** Null for an endpoint that is not in the config (any more). */
  readonly endpointLabels: (endpoint: NamedEndpoint) => Labels | null;
  readonly registryLabels: (registry: string) => Labels | null;
}

export const NO_SCOPE = compileScope([]);

/** What the routes that are in force have series for. */
export function compileScope(decisions: readonly RouteDecision[]): MetricsScope {
  const mirrored = decisions.map(({ route }) => route).filter(({ mirrors }) => mirrors.length > 0);
  const mirrors = distinct(mirrored.flatMap((route) => route.mirrors));
  const upstreams = distinct(mirrored.flatMap(({ upstream }) => (upstream ? [upstream] : [])));
  const endpoints = [...mirrors, ...upstreams];
  const registries = mirrored.map(({ registry }) => registry);
  const ranks = rank(endpoints.map(endpointKey));
  const registryRanks = rank(registries);
  return {
    endpoints,
    registries,
    endpointLabels: (endpoint) => {
      const name = nameOf(ranks.get(endpointKey(endpoint)), { own: endpoint.url, most: MOST_ENDPOINTS });
      return name === null ? null : { endpoint: name, role: endpoint.role };
    },
    registryLabels: (registry) => {
      const name = nameOf(registryRanks.get(registry), { own: registry, most: MOST_REGISTRIES });
      return name === null ? null : { registry: name };
    },
  };
}

function rank(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, index) => [name, index]));
}

function nameOf(index: number | undefined, { own, most }: { own: string; most: number }): string | null {
  if (index === undefined) return null;
  return index < most ? own : OTHER;
}
