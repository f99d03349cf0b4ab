// For how long upstreams stood in for mirrors, and how often that began: what a failing mirror cost a node.

import type { Registry } from "./mirror-config.ts";
import type { RouteDecision } from "./routes.ts";

/** By registry: since when its failover is not yet counted, or null while there is none. */
export type Failovers = ReadonlyMap<Registry, number | null>;

export interface FailoverStep {
  readonly failovers: Failovers;
  /** The registries that failed over since the last step. */
  readonly begun: readonly Registry[];
  /** By registry; how long more it was failed over. */
  readonly secondsMore: ReadonlyMap<Registry, number>;
}

/**
 * Goes on from what was to what is at `atMs`, on a clock that is never set. A registry that is new has not failed
 * over, however it is found: it has never been elsewhere.
 */
export function foldFailovers(before: Failovers, decisions: readonly RouteDecision[], atMs: number): FailoverStep {
  const mirrored = decisions.filter(({ route }) => route.mirrors.length > 0);
  const begun = mirrored.filter(({ route, failedOver }) => failedOver && before.get(route.registry) === null);
  const secondsMore = new Map<Registry, number>();
  for (const { route } of mirrored) {
    const sinceMs = before.get(route.registry) ?? null;
    if (sinceMs !== null) secondsMore.set(route.registry, Math.max(0, atMs - sinceMs) / 1000);
  }
  return {
    failovers: new Map(mirrored.map(({ route, failedOver }) => [route.registry, failedOver ? atMs : null])),
    begun: begun.map(({ route }) => route.registry),
    secondsMore,
  };
}
