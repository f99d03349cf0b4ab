// When to probe next. Thousands of nodes probe the same mirror: the jitter keeps them from doing so in step.

import type { EndpointHealth } from "./health.ts";
import type { ProbeSettings } from "./mirror-config.ts";

const RECHECK_MS = 500;
const JITTER = 0.1;
// An upstream is someone else's server, and is asked from every node.
const GENTLE_INTERVAL_MS = 30_000;
const GENTLE_RECHECK_MS = 2000;

interface DelayOptions {
  /** Math.random, or what a test puts in its place. */
  readonly random: () => number;
  /** For upstreams. */
  readonly gentle: boolean;
}

/** Milliseconds from the start of one probe to the start of the next. */
export function nextProbeDelayMs(health: EndpointHealth, settings: ProbeSettings, options: DelayOptions): number {
  const { random, gentle } = options;
  const interval = gentle ? Math.max(settings.intervalMs, GENTLE_INTERVAL_MS) : settings.intervalMs;
  const recheck = Math.min(interval, gentle ? GENTLE_RECHECK_MS : RECHECK_MS);
  const delay = isChanging(health, settings) ? recheck : interval;
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random()));
}

/** A good row that has reached `rise` is only waiting out its hold-down: no hurry. */
function isChanging(health: EndpointHealth, settings: ProbeSettings): boolean {
  if (health.streak === 0) return false;
  return health.state === "down" ? health.streak < settings.rise : true;
}
