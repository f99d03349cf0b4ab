// What many probes of one endpoint add up to. `fall` and `rise` are HAProxy's, and so is the shorter interval
// while a state is about to change. Each change of a route costs pulls, so an endpoint that flaps earns its
// way back: after each relapse it has to stay good twice as long before it counts as up.

import { addLatency, findSlowness } from "./latency.ts";
import type { ProbeSettings } from "./mirror-config.ts";
import type { ProbeReason, ProbeResult } from "./probe-result.ts";

/** Plain JSON, so that it survives a restart. Times are wall clock, in ms since the epoch. */
export interface EndpointHealth {
  readonly state: "up" | "down" | "unknown";
  /** When it came into this state. */
  readonly sinceMs: number;
  /** Why it is down, or may turn out to be; null while up. */
  readonly reason: ProbeReason | null;
  readonly detail: string | null;
  /** Of the last probe that was answered well. */
  readonly latencyMs: number | null;
  /** Of the last few of them, oldest first. */
  readonly latenciesMs: readonly number[];
  readonly certificateExpiresAtMs: number | null;
  /** Probes in a row that speak against the state; failed ones while it is unknown. */
  readonly streak: number;
  /** The first of the good probes in a row, while down. */
  readonly goodSinceMs: number | null;
  /** When it last came up after having been down. */
  readonly recoveredAtMs: number | null;
  /** How often in a row it went down again soon after recovering. */
  readonly relapses: number;
}

const FIRST_HOLD_DOWN_MS = 15_000;
const MAX_HOLD_DOWN_MS = 10 * 60_000;
const FORGET_AFTER_MS = 60 * 60_000;

/** The health of an endpoint that has never been probed. */
export function unknownHealth(nowMs: number): EndpointHealth {
  return {
    state: "unknown",
    sinceMs: nowMs,
    reason: null,
    detail: null,
    latencyMs: null,
    latenciesMs: [],
    certificateExpiresAtMs: null,
    streak: 0,
    goodSinceMs: null,
    recoveredAtMs: null,
    relapses: 0,
  };
}

/** The same after the clock was set by so much: what happened since `fromMs`, by the old time, moves with it. */
export function shiftHealth(health: EndpointHealth, byMs: number, fromMs: number): EndpointHealth {
  const shift = <T extends number | null>(atMs: T): T =>
    atMs !== null && atMs >= fromMs ? ((atMs + byMs) as T) : atMs;
  const { sinceMs, goodSinceMs, recoveredAtMs } = health;
  return {
    ...health,
    sinceMs: shift(sinceMs),
    goodSinceMs: shift(goodSinceMs),
    recoveredAtMs: shift(recoveredAtMs),
  };
}

export interface FoldContext {
  readonly settings: Pick<ProbeSettings, "fall" | "rise">;
  /** What is slower than this is down; null or nothing where it is not asked for. */
  readonly maxLatencyMs?: number | null;
  readonly nowMs: number;
}

/** Adds one probe to what is known; `nowMs` is when its result came. */
export function foldProbe(health: EndpointHealth, result: ProbeResult, context: FoldContext): EndpointHealth {
  const certificateExpiresAtMs = result.certificateExpiresAtMs ?? health.certificateExpiresAtMs;
  if (!result.ok) return foldBad({ ...health, certificateExpiresAtMs }, result, context);
  const { latencyMs } = result;
  const latenciesMs = addLatency(health.latenciesMs, latencyMs);
  const measured = { ...health, certificateExpiresAtMs, latencyMs, latenciesMs };
  const slow = findSlowness(measured, context.maxLatencyMs ?? null);
  return slow ? foldBad(measured, slow, context) : foldGood(measured, result, context);
}

/** How long an endpoint that is down has to stay good before it counts as up; 0 unless it relapsed. */
export function holdDownMs({ relapses }: Pick<EndpointHealth, "relapses">): number {
  return relapses === 0 ? 0 : Math.min(MAX_HOLD_DOWN_MS, FIRST_HOLD_DOWN_MS * 2 ** (relapses - 1));
}

/** When an endpoint that is down, but answers well, may come up; null when nothing holds it. */
export function heldDownUntilMs(health: EndpointHealth): number | null {
  return health.goodSinceMs === null || health.relapses === 0 ? null : health.goodSinceMs + holdDownMs(health);
}

function foldGood(
  health: EndpointHealth,
  { isDeep }: { isDeep: boolean },
  { settings, nowMs }: FoldContext,
): EndpointHealth {
  if (health.state === "up") return { ...health, streak: 0 };
  if (health.state === "unknown") return rise(health, nowMs);
  // The clock may have been set back since: then the count starts anew rather than in the future.
  const goodSinceMs = Math.min(health.goodSinceMs ?? nowMs, nowMs);
  const streak = health.streak + 1;
  const isHeld = nowMs - goodSinceMs < holdDownMs(health);
  if (streak < settings.rise || isHeld || !isDeep) return { ...health, streak, goodSinceMs };
  return { ...rise(health, nowMs), recoveredAtMs: nowMs };
}

function rise(health: EndpointHealth, nowMs: number): EndpointHealth {
  return { ...health, state: "up", sinceMs: nowMs, reason: null, detail: null, streak: 0, goodSinceMs: null };
}

function foldBad(
  health: EndpointHealth,
  { reason, detail }: { reason: ProbeReason; detail: string },
  { settings, nowMs }: FoldContext,
): EndpointHealth {
  if (health.state === "down") return { ...health, reason, detail, streak: 0, goodSinceMs: null };
  const streak = health.streak + 1;
  if (streak >= settings.fall) return fall({ ...health, reason, detail }, nowMs);
  return health.state === "up" ? { ...health, streak } : { ...health, streak, reason, detail };
}

function fall(health: EndpointHealth, nowMs: number): EndpointHealth {
  const isRelapse = health.recoveredAtMs !== null && nowMs - health.recoveredAtMs < FORGET_AFTER_MS;
  const relapses = isRelapse ? health.relapses + 1 : 0;
  return { ...health, state: "down", sinceMs: nowMs, streak: 0, goodSinceMs: null, relapses };
}
