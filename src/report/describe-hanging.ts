// What is told of pulls that hang: that they were freed, and where, or why they cannot be.

import type { NamedEndpoint } from "../core/endpoint.ts";
import { humaniseCount } from "./humanise.ts";

export type HangingEvent =
  /** `count`: connections of containerd to an endpoint that is down, which hung and were closed. */
  | { readonly kind: "pullsFreed"; readonly endpoint: NamedEndpoint; readonly count: number }
  /** The same at a mirror that answers; `isSentOn`: whether the pulls are kept from asking there again. */
  | {
      readonly kind: "stuckPullsFreed";
      readonly endpoint: NamedEndpoint;
      readonly count: number;
      readonly isSentOn: boolean;
    }
  | { readonly kind: "freeingImpossible"; readonly because: string }
  /** Pulls hang at the endpoint, cannot be freed, and the operator has allowed the hard way. */
  | { readonly kind: "hangRestartBegun"; readonly endpoint: NamedEndpoint }
  /** `problem`: null when containerd is there again. */
  | { readonly kind: "hangRestartEnded"; readonly problem: string | null };

/** The level and the sentence. */
export function describeHanging(event: HangingEvent): readonly ["info" | "warn" | "error", string] {
  switch (event.kind) {
    case "pullsFreed":
      return ["info", `Closed ${describeConnections(event)} that made no progress; the pulls go on elsewhere`];
    case "stuckPullsFreed": {
      const then = event.isSentOn ? "the pulls go on elsewhere" : "the pulls ask there again";
      return ["warn", `Closed ${describeConnections(event)} that hung although it answers; ${then}`];
    }
    case "freeingImpossible":
      return ["warn", `Cannot free pulls that hang: ${event.because}; they hang until containerd is restarted`];
    case "hangRestartBegun": {
      const why = `pulls have hung at ${event.endpoint.url} for a minute, and their connections cannot be closed here`;
      return ["warn", `Restarting containerd: ${why} (agent.containerd.restart: on-hang)`];
    }
    case "hangRestartEnded":
      return describeEnd(event.problem);
  }
}

function describeConnections({ endpoint, count }: { endpoint: NamedEndpoint; count: number }): string {
  return `${humaniseCount(count, "connection")} of containerd to ${endpoint.url}`;
}

function describeEnd(problem: string | null): ReturnType<typeof describeHanging> {
  if (problem === null)
    return ["info", "containerd was restarted; pulls that hung begin anew, with the routes as they are now"];
  return ["error", `containerd was not restarted for pulls that hang: ${problem}; not before ten minutes again`];
}
