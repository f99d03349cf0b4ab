// When a probe has to look behind /v2/, which a registry answers from memory while its storage is dead. A deep
// probe is two to four requests more, so it is rare while all is well and nobody pulls (core/pull-alarms.ts asks
// for more); a mirror that was down comes back by one alone. That last probe is where the nodes of a fleet part: each takes it, and so returns, at another moment.

import { type EndpointHealth, heldDownUntilMs } from "./health.ts";
import type { JitterSettings, ProbeSettings } from "./mirror-config.ts";

/** Every sixth probe is deep. */
const DEEP_EVERY = 6;

/** What has to be kept from probe to probe. */
export interface DepthState {
  /** How many have been shallow since the last deep one. */
  readonly shallowInRow: number;
  /** When this node may return to the mirror; null where that is not drawn yet. */
  readonly failbackAtMs: number | null;
}

export interface DepthContext {
  readonly settings: Pick<ProbeSettings, "rise">;
  readonly jitter: JitterSettings;
  /** Whether pulls are served elsewhere while the mirror is down. */
  readonly isServed: boolean;
  /** Math.random, or what a test puts in its place. */
  readonly random: () => number;
  readonly nowMs: number;
}

export interface Depth {
  readonly isDeep: boolean;
  readonly next: DepthState;
}

/** What an endpoint begins with. */
export const FIRST_DEPTH: DepthState = { shallowInRow: 0, failbackAtMs: null };

/** The same, with the next probe deep as long as the endpoint is up. */
export function demandDeep(state: DepthState): DepthState {
  return { ...state, shallowInRow: DEEP_EVERY - 1 };
}

/** Whether a probe that has just found that the endpoint answers must also fetch an image there. */
export function decideDepth(state: DepthState, health: EndpointHealth, context: DepthContext): Depth {
  return health.state === "down" ? decideReturn(state, health, context) : decideCheck(state, health, context);
}

// After a failure every probe is deep: a shallow one would take back what a deep one found.
function decideCheck({ shallowInRow }: DepthState, health: EndpointHealth, { random }: DepthContext): Depth {
  if (shallowInRow >= DEEP_EVERY - 1) return { isDeep: true, next: FIRST_DEPTH };
  const isDeep = health.state === "unknown" || health.streak > 0;
  // A change strikes all nodes at once: from there on they count from different places.
  const counted = isDeep ? Math.floor(random() * DEEP_EVERY) : shallowInRow + 1;
  return { isDeep, next: { shallowInRow: counted, failbackAtMs: null } };
}

function decideReturn(state: DepthState, health: EndpointHealth, context: DepthContext): Depth {
  const { settings, jitter, isServed, random, nowMs } = context;
  const isLast = health.streak + 1 >= settings.rise && (heldDownUntilMs(health) ?? nowMs) <= nowMs;
  if (!isLast) return { isDeep: false, next: { ...state, failbackAtMs: null } };
  // The clock may have been set back since it was drawn.
  const drawn = state.failbackAtMs ?? nowMs + random() * jitter.failbackMs;
  const failbackAtMs = Math.min(drawn, nowMs + jitter.failbackMs);
  if (isServed && nowMs < failbackAtMs) return { isDeep: false, next: { ...state, failbackAtMs } };
  // Should it fail, the wait begins anew: a mirror that is ill is not asked for images all the time.
  return { isDeep: true, next: { shallowInRow: Math.floor(random() * DEEP_EVERY), failbackAtMs: null } };
}
