// Durations as Go and systemd people write them: "500ms", "5s", "1m30s". A bare number is refused,
// since nobody can tell from it whether seconds or milliseconds were meant.

import { type Parsed, parsed, problem } from "./parsed.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Every accepted duration matches this; the published schema carries it. */
export const DURATION_PATTERN = /^(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h)){1,4}$/;

export interface DurationBounds {
  readonly least: string;
  readonly most: string;
}

/** Gives whole milliseconds within the bounds, both included. */
export function parseDuration(text: string, { least, most }: DurationBounds): Parsed<number> {
  if (!DURATION_PATTERN.test(text)) return problem('expected a number with its unit such as "500ms", "5s" or "1m"');
  const durationMs = readMs(text);
  if (durationMs < readMs(least) || durationMs > readMs(most)) return problem(`expected from "${least}" to "${most}"`);
  return parsed(durationMs);
}

function readMs(text: string): number {
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return Math.round(totalMs);
}
