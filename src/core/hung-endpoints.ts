// At which endpoints pulls may hang that began before the routes led past them. containerd reads hosts.toml at the
// start of a pull and keeps what it read, so the new route does not help a pull that is under way; closing its
// connection does, but only while there is another way for it.

import { type Endpoint, endpointKey } from "./endpoint.ts";
import type { EndpointHealth } from "./health.ts";
import { reasonHangs } from "./health-transition.ts";
import { distinct, endpointsOf, type RouteDecision, waysOf } from "./routes.ts";

export interface HungEndpoints {
  /** Down for a reason that makes pulls hang, and no route needs them. */
  readonly hung: readonly Endpoint[];
  /** Up, but the last probe failed: to be looked at, so that what hangs is known when they turn out to be down. */
  readonly suspect: readonly Endpoint[];
  /** In use; connections to an address of theirs are left alone, whatever else it serves. */
  readonly used: readonly Endpoint[];
}

export const NOTHING_HUNG: HungEndpoints = { hung: [], suspect: [], used: [] };

/** `decisions`: the routes as they are on disk. */
export function findHungEndpoints(
  decisions: readonly RouteDecision[],
  healthOf: (endpoint: Endpoint) => EndpointHealth,
): HungEndpoints {
  const isUp = (endpoint: Endpoint) => healthOf(endpoint).state === "up";
  const all = endpointsOf(decisions.map(({ route }) => route));
  const hung = all.filter((endpoint) => {
    const { state, reason } = healthOf(endpoint);
    if (state !== "down" || reason === null || !reasonHangs(reason)) return false;
    return decisions.every((decision) => goesPast(endpoint, decision, isUp));
  });
  const keys = new Set(hung.map(endpointKey));
  const used = decisions.flatMap(waysOf);
  return {
    hung,
    suspect: all.filter((endpoint) => isUp(endpoint) && healthOf(endpoint).streak > 0),
    used: distinct(used).filter((endpoint) => !keys.has(endpointKey(endpoint))),
  };
}

export interface WatchedMirrors {
  /** In use and up. */
  readonly endpoints: readonly Endpoint[];
  /** Those of them whose last probe failed. */
  readonly doubted: readonly Endpoint[];
}

/** The mirrors whose pulls are worth watching. */
export function findWatchedMirrors(
  decisions: readonly RouteDecision[],
  healthOf: (endpoint: Endpoint) => EndpointHealth,
): WatchedMirrors {
  const inUse = distinct(decisions.flatMap(({ mirrors }) => mirrors));
  const endpoints = inUse.filter((endpoint) => healthOf(endpoint).state === "up");
  return { endpoints, doubted: endpoints.filter((endpoint) => healthOf(endpoint).streak > 0) };
}

/** Whether something else is proven to serve pulls at every registry that uses this endpoint now. */
export function hasOtherWay(
  endpoint: Endpoint,
  decisions: readonly RouteDecision[],
  healthOf: (other: Endpoint) => EndpointHealth,
): boolean {
  const isIt = (other: Endpoint) => endpointKey(other) === endpointKey(endpoint);
  const used = decisions.map(waysOf).filter((ways) => ways.some(isIt));
  return used.every((ways) => ways.some((other) => !isIt(other) && healthOf(other).state === "up"));
}

// A mirror that is left out may have been left out long ago, and everything else may have failed since.
function goesPast(endpoint: Endpoint, decision: RouteDecision, isUp: (other: Endpoint) => boolean): boolean {
  const { route, out } = decision;
  const key = endpointKey(endpoint);
  const isIn = (endpoints: readonly Endpoint[]) => endpoints.some((other) => endpointKey(other) === key);
  const isMirror = isIn(route.mirrors);
  if (!isMirror && !(route.upstream && isIn([route.upstream]))) return true;
  if (isMirror && !isIn(out)) return false;
  return waysOf(decision).some((other) => !isIn([other]) && isUp(other));
}
