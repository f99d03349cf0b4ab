// Whether pulls can wait for a mirror that is coming back.

import { type Endpoint, endpointKey } from "./endpoint.ts";
import { type RouteDecision, type StateOf, waysOf } from "./routes.ts";

/** Whether another way is proven to work in every route that leaves the mirror out. */
export function isServedWithout(mirror: Endpoint, decisions: readonly RouteDecision[], stateOf: StateOf): boolean {
  const key = endpointKey(mirror);
  const without = decisions.filter(({ out }) => out.some((left) => endpointKey(left) === key));
  return without.every((decision) => waysOf(decision).some((way) => stateOf(way) === "up"));
}
