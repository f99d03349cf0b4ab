// What a pass is worth telling: transitions, each once, after the routes that follow from them are on disk.

import type { Action } from "../core/action.ts";
import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import { transitionOf } from "../core/health-transition.ts";
import type { RouteDecision } from "../core/routes.ts";
import type { Event } from "../report/events.ts";
import type { HealthChange } from "./health-table.ts";

export interface PassResult {
  readonly before: readonly RouteDecision[];
  readonly decisions: readonly RouteDecision[];
  readonly changes: readonly HealthChange[];
  readonly performed: readonly Action[];
}

/** The events of one pass, in the order of telling. */
export function eventsOfPass({ before, decisions, changes, performed }: PassResult): Event[] {
  const told = changes.flatMap((change) => describeChange(change, decisions));
  const toldRoutes = new Set(told.flatMap((event) => event.decisions));
  const earlier = new Map(before.map((decision) => [decision.route.registry, decision]));
  const others = decisions.filter(
    (decision) => !toldRoutes.has(decision) && isNewWay(decision, earlier.get(decision.route.registry)),
  );
  const routes: Event[] = others.length > 0 ? [{ kind: "routesChanged", decisions: others }] : [];
  return [...performed.flatMap(describeAction), ...told, ...routes];
}

function describeChange({ endpoint, before, after }: HealthChange, decisions: readonly RouteDecision[]) {
  const transition = transitionOf(before, after);
  // An upstream is looked at only when a mirror is in doubt; that it then answers is no news.
  if (!transition || (endpoint.role === "upstream" && transition.to === "up" && transition.lastedMs === null))
    return [];
  const affected = decisions.filter(({ route }) => usesEndpoint(route, endpoint));
  return [{ kind: "endpointChanged", endpoint, transition, decisions: affected }] as const;
}

function usesEndpoint({ mirrors, upstream }: RouteDecision["route"], endpoint: Endpoint): boolean {
  const isIt = ({ role, url }: Endpoint): boolean => url === endpoint.url && role === endpoint.role;
  return mirrors.some(isIt) || (upstream !== null && isIt(upstream));
}

// A registry that is new says nothing about health; that its config is in force is told elsewhere.
function isNewWay(decision: RouteDecision, earlier: RouteDecision | undefined): boolean {
  const keys = ({ mirrors }: RouteDecision): string => mirrors.map(endpointKey).join();
  if (!earlier || keys(earlier) === keys(decision)) return false;
  return JSON.stringify(earlier.route) === JSON.stringify(decision.route);
}

function describeAction({ kind, path, because }: Action): Event[] {
  if (kind === "writeFile" || kind === "restoreFile") return [{ kind: "fileWritten", path, because }];
  return kind === "removeFile" ? [{ kind: "fileRemoved", path, because }] : [];
}
