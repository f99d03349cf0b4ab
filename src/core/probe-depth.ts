// When a probe has to look behind /v2/, which a registry answers from memory while its storage is dead. A deep
// probe is three or four requests instead of one, so it is rare while all is well, and never left out where a
// state is about to change for the better.

import { type EndpointHealth, heldDownUntilMs } from "./health.ts";
import type { ProbeSettings } from "./mirror-config.ts";

/** Every sixth probe is deep. */
export const DEEP_EVERY = 6;
/** Between this decision and the probe's result the clock goes on. */
const MARGIN_MS = 1000;

interface DepthContext {
  readonly settings: Pick<ProbeSettings, "rise">;
  /** How many probes have been shallow since the last deep one. */
  readonly shallowInRow: number;
  readonly nowMs: number;
}

/** Whether a probe that has just found that the endpoint answers must also fetch an image there. */
export function isDeepDue(health: EndpointHealth, { settings, shallowInRow, nowMs }: DepthContext): boolean {
  switch (health.state) {
    case "unknown":
      return true;
    case "up":
      // After a failure every probe is deep: a shallow one would take back what a deep one found.
      return health.streak > 0 || shallowInRow >= DEEP_EVERY - 1;
    case "down":
      return health.streak + 1 >= settings.rise && (heldDownUntilMs(health) ?? nowMs) <= nowMs + MARGIN_MS;
  }
  health.state satisfies never;
  return true;
}
