// A change of health as one value: the log and the routes speak of changes, not of states.

import { type EndpointHealth, holdDownMs } from "./health.ts";
import type { ProbeReason } from "./probe-result.ts";

export type Transition =
  | {
      readonly to: "down";
      readonly atMs: number;
      /** How long it had been up; null when that was never known. */
      readonly lastedMs: number | null;
      readonly reason: ProbeReason;
      readonly detail: string;
      /** How often in a row it has gone down again soon after recovering. */
      readonly relapses: number;
      /** How long it must now stay good before it counts as up; 0 unless it relapsed. */
      readonly holdDownMs: number;
    }
  | {
      readonly to: "up";
      readonly atMs: number;
      /** How long it had been down; null when it was never known to be. */
      readonly lastedMs: number | null;
    };

/** What changed between two healths of one endpoint; null when the state did not. */
export function transitionOf(before: EndpointHealth, after: EndpointHealth): Transition | null {
  if (before.state === after.state || after.state === "unknown") return null;
  const atMs = after.sinceMs;
  const lastedMs = before.state === "unknown" ? null : Math.max(0, atMs - before.sinceMs);
  if (after.state === "up") return { to: "up", atMs, lastedMs };
  const { reason, detail, relapses } = after;
  if (reason === null || detail === null) throw new Error("Cannot tell of a fall: it has no reason");
  return { to: "down", atMs, lastedMs, reason, detail, relapses, holdDownMs: holdDownMs(after) };
}

// A host that is gone resets nothing: "unreachable" is what a new connection meets, what is open waits on.
const HANGING: ReadonlySet<ProbeReason> = new Set([
  "connect-timeout",
  "unreachable",
  "tls-timeout",
  "response-timeout",
  "body-stall",
]);

/** Whether a pull in flight would hang or wait long at an endpoint that is down for this reason. */
export function reasonHangs(reason: ProbeReason): boolean {
  return HANGING.has(reason);
}
