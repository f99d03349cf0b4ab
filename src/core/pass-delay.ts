// How long a node waits before its routes follow a change of health. A thousand nodes see a mirror fall at the
// same moment, and what is behind it would meet all their pulls at once. docs/fleet.md has the figures. Nodes
// return at different moments anyway, see probe-depth.ts.

import type { Endpoint } from "./endpoint.ts";
import type { EndpointHealth } from "./health.ts";
import type { JitterSettings } from "./mirror-config.ts";

export interface StateChange {
  readonly endpoint: Pick<Endpoint, "role">;
  readonly after: Pick<EndpointHealth, "state">;
}

interface DelayContext {
  readonly jitter: JitterSettings;
  readonly random: () => number;
  /** Whether pulls of this node hang, and can only be freed after the pass. */
  readonly pullsHang: boolean;
}

/** The share of the longest wait for nodes whose pulls hang: they wait already, and are few beside those that will. */
const SHARE_WHILE_HANGING = 0.25;

/** Milliseconds from a change of state to the pass that acts on it. */
export function passDelayMs({ endpoint, after }: StateChange, { jitter, random, pullsHang }: DelayContext): number {
  // An upstream that is proven to work is what a failover waits for.
  const isFailover = endpoint.role === "mirror" ? after.state === "down" : after.state === "up";
  const longestMs = pullsHang ? jitter.failoverMs * SHARE_WHILE_HANGING : jitter.failoverMs;
  return isFailover ? random() * longestMs : 0;
}
