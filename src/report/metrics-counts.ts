// What an event adds to the counters. The log and the counters are told the same events, so they cannot differ.

import type { Event } from "./events.ts";
import type { Increment, Labels } from "./metrics-catalogue.ts";
import type { MetricsScope } from "./metrics-scope.ts";

/** The counters that an event moves; none for an endpoint that has left the config. */
export function countEvent(event: Event, scope: MetricsScope): Increment[] {
  switch (event.kind) {
    case "endpointChanged":
      return countTransition(event, scope);
    case "pullsFreed":
    case "stuckPullsFreed":
      return withLabels(scope.endpointLabels(event.endpoint), (labels) => [
        { name: "pulls_freed_total", labels, by: event.count },
      ]);
    case "takeoverDone":
      return event.restarted ? [once("containerd_restarts_total")] : [];
    case "hangRestartEnded":
      return event.problem === null ? [once("containerd_restarts_total")] : [];
    case "takeoverFailed":
      return [once("containerd_restarts_failed_total")];
    case "driftRepaired":
      return [once("drift_repairs_total")];
    case "fightStopped":
      return [once("drift_given_up_total")];
    case "passFailed":
      return [once("passes_failed_total")];
    default:
      return [];
  }
}

/** Shows the counters of endpoints and registries from the beginning, so that their first step is seen as one. */
export function zeroCounts(scope: MetricsScope): Increment[] {
  const endpoints = scope.endpoints.flatMap((endpoint) =>
    withLabels(scope.endpointLabels(endpoint), (labels) => [
      { name: "endpoint_transitions_total", labels: { ...labels, to: "up", reason: "" }, by: 0 },
      { name: "pulls_freed_total", labels, by: 0 },
    ]),
  );
  const registries = scope.registries.flatMap((registry) =>
    withLabels(scope.registryLabels(registry), (labels) => [
      { name: "failovers_total", labels, by: 0 },
      { name: "failed_over_seconds_total", labels, by: 0 },
    ]),
  );
  return [...endpoints, ...registries];
}

// As in the log and in status: that an endpoint is well at the first look is no news.
function countTransition(
  { endpoint, transition }: Event & { kind: "endpointChanged" },
  scope: MetricsScope,
): Increment[] {
  if (transition.to === "up" && transition.lastedMs === null) return [];
  const reason = transition.to === "down" ? transition.reason : "";
  return withLabels(scope.endpointLabels(endpoint), (labels) => [
    { name: "endpoint_transitions_total", labels: { ...labels, to: transition.to, reason }, by: 1 },
  ]);
}

function once(name: Increment["name"]): Increment {
  return { name, labels: {}, by: 1 };
}

function withLabels(labels: Labels | null, count: (labels: Labels) => Increment[]): Increment[] {
  return labels === null ? [] : count(labels);
}
