// How endpoints are probed unless the mirror config says otherwise.

import type { ProbeSettings } from "../mirror-config.ts";

/** A dead mirror is left after two probes and the quick re-check between them: within 10 s at worst. */
export const PROBE_DEFAULTS: ProbeSettings = { intervalMs: 5_000, timeoutMs: 2_000, fall: 2, rise: 2 };

/** At most so long, and not more than so many intervals: who probes often wants to be quick. See docs/fleet.md. */
export const JITTER_DEFAULTS = { failoverMs: 2_000, failoverIntervals: 0.4, failbackMs: 30_000, failbackIntervals: 6 };
