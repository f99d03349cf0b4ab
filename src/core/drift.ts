// Drift: somebody changed a file that we had settled. It is repaired, but not for ever: two programs
// that each put a file right whenever the other touched it would wear the disk out and fill the journal.

import type { Action, WriteFile } from "./action.ts";

/** When each file was repaired, in ms since the epoch; by path. */
export type Fights = ReadonlyMap<string, readonly number[]>;

export const FIGHT_WINDOW_MS = 10 * 60_000;
export const FIGHT_LIMIT = 10;

export interface DriftFold {
  readonly fights: Fights;
  /** The repairs among the actions. */
  readonly repairs: readonly WriteFile[];
  /** What is left to do once the files that we stopped fighting over are taken out. */
  readonly actions: readonly Action[];
  /** The files that are given up with this pass. */
  readonly givenUp: readonly string[];
}

/**
 * Finds the repairs among `actions`: writes of the very text that was `settled` (by path) before.
 * A file that was repaired FIGHT_LIMIT times within FIGHT_WINDOW_MS is left alone from then on.
 */
export function foldDrift(
  fights: Fights,
  actions: readonly Action[],
  { settled, nowMs }: { settled: ReadonlyMap<string, string>; nowMs: number },
): DriftFold {
  const drifted = actions.filter(isWrite).filter((action) => settled.get(action.path) === action.text);
  const lost = drifted.filter((action) => recent(fights, action.path, nowMs).length >= FIGHT_LIMIT);
  const repairs = drifted.filter((action) => !lost.includes(action));
  const next = new Map(fights);
  for (const { path } of repairs) next.set(path, [...recent(fights, path, nowMs), nowMs]);
  for (const { path } of lost) next.set(path, GIVEN_UP);
  const lostPaths = new Set(lost.map((action) => action.path));
  return {
    fights: next,
    repairs,
    actions: actions.filter((action) => !lostPaths.has(action.path)),
    givenUp: [...lostPaths].filter((path) => fights.get(path) !== GIVEN_UP),
  };
}

const NEVER_OVER = Number.POSITIVE_INFINITY;

const GIVEN_UP: readonly number[] = new Array(FIGHT_LIMIT).fill(NEVER_OVER);

function recent(fights: Fights, path: string, nowMs: number): readonly number[] {
  // The clock may have been set back since: what is long to come is long gone.
  return (fights.get(path) ?? []).filter((atMs) => atMs === NEVER_OVER || Math.abs(nowMs - atMs) < FIGHT_WINDOW_MS);
}

function isWrite(action: Action): action is WriteFile {
  return action.kind === "writeFile";
}
