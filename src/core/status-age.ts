// How old a status may be. An agent with nothing to probe, or that probes rarely, renews it with its slow pass, once a
// minute and not to the second: one that has missed two hangs, or does not run.

const STALE_MS = 150_000;

/** Whether a status of that time is most likely that of an agent that does not run any more. */
export function isStale(updatedAtMs: number, nowMs: number): boolean {
  return nowMs - updatedAtMs >= STALE_MS;
}
