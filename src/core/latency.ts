// Slow is down, too, where the operator says so. One slow answer is a collector's pause or a new connection's
// handshake, so the median of several decides; and what has been too slow has to be clearly quicker to come
// back, or it would go up and down with every breath of the network.

import type { ProbeReason } from "./probe-result.ts";

const SAMPLES = 5;
/** With fewer the median is still one answer's. */
const LEAST_SAMPLES = 3;
const BACK_SHARE = 0.8;

/** The latest answers' latencies with one more, oldest first. */
export function addLatency(latenciesMs: readonly number[], latencyMs: number): readonly number[] {
  return [...latenciesMs, latencyMs].slice(-SAMPLES);
}

interface Measured {
  readonly state: "up" | "down" | "unknown";
  readonly latenciesMs: readonly number[];
}

/** Why an endpoint that answers is too slow; null if it is not, or if no limit is set. */
export function findSlowness(
  { state, latenciesMs }: Measured,
  maxLatencyMs: number | null,
): { readonly reason: ProbeReason; readonly detail: string } | null {
  if (maxLatencyMs === null || latenciesMs.length < LEAST_SAMPLES) return null;
  const medianMs = medianOf(latenciesMs);
  const limitMs = state === "down" ? maxLatencyMs * BACK_SHARE : maxLatencyMs;
  if (medianMs <= limitMs) return null;
  const detail = `the last ${latenciesMs.length} answers took ${Math.round(medianMs)} ms in the median, ${Math.round(limitMs)} ms are allowed`;
  return { reason: "slow", detail };
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
