// How long a node waits before its routes follow a change of health. A thousand nodes see a mirror fall at the
// same moment, and what is behind it would meet all their pulls at once. docs/fleet.md has the figures.

import type { Endpoint } from "./endpoint.ts";
import type { EndpointHealth } from "./health.ts";
import type { JitterSettings } from "./mirror-config.ts";

export interface StateChange {
  readonly endpoint: Pick<Endpoint, "role">;
  readonly before: Pick<EndpointHealth, "state">;
  readonly after: Pick<EndpointHealth, "state">;
}

interface DelayContext {
  readonly jitter: JitterSettings;
  /** Math.random, or what a test puts in its place. */
  readonly random: () => number;
  /** Whether pulls that the change would bring back are served elsewhere meanwhile. */
  readonly isServed: boolean;
}

/** Milliseconds from a change of state to the pass that acts on it. */
export function passDelayMs({ endpoint, before, after }: StateChange, context: DelayContext): number {
  const { jitter, random, isServed } = context;
  const isMirror = endpoint.role === "mirror";
  if (isMirror && before.state === "down" && after.state === "up") return isServed ? random() * jitter.failbackMs : 0;
  // An upstream that is proven to work is what a failover waits for.
  const isFailover = isMirror ? after.state === "down" : after.state === "up";
  return isFailover ? random() * jitter.failoverMs : 0;
}
