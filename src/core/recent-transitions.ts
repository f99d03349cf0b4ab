// The last changes of health, for whoever looks later: "status" tells with them what happened last night. Plain
// JSON: it is kept beside health.json's known health, so that it survives a restart of the agent and a reboot.

import type { Endpoint } from "./endpoint.ts";
import type { EndpointHealth } from "./health.ts";
import type { Transition } from "./health-transition.ts";
import type { ProbeReason } from "./probe-result.ts";

export interface RecentTransition {
  readonly atMs: number;
  readonly endpoint: string;
  readonly role: Endpoint["role"];
  readonly from: EndpointHealth["state"];
  readonly to: Transition["to"];
  /** Why it is down; null when it came up. */
  readonly reason: ProbeReason | null;
  /** How long it had been as before; null where that is not known. */
  readonly lastedMs: number | null;
}

/** More would make status.json long: at one a minute it is twenty minutes, at one a week half a year. */
export const MOST_TRANSITIONS = 20;

/** Adds one transition to the recent ones, the newest first. That an endpoint is well at the first look is no news. */
export function foldTransition(
  recent: readonly RecentTransition[],
  { role, url }: Pick<Endpoint, "role" | "url">,
  transition: Transition | null,
): readonly RecentTransition[] {
  if (transition === null || (transition.to === "up" && transition.lastedMs === null)) return recent;
  const { atMs, to, lastedMs } = transition;
  const before = to === "up" ? "down" : "up";
  const added: RecentTransition = {
    atMs,
    endpoint: url,
    role,
    from: lastedMs === null ? "unknown" : before,
    to,
    reason: transition.to === "down" ? transition.reason : null,
    lastedMs,
  };
  return [added, ...recent].slice(0, MOST_TRANSITIONS);
}
