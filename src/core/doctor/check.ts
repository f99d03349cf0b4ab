// One thing that `doctor` looked at: how it is, what was found, and what mends it.

export interface Check {
  /** Stable, for programs: "containerd-running". Several checks may share one, each about another thing. */
  readonly id: string;
  readonly state: "ok" | "warn" | "fail";
  /** What was found; one clause without secrets. */
  readonly found: string;
  /** What to do; null where nothing has to be done. */
  readonly mend: string | null;
}

/** What ends sooner is told. */
export const SOON_MS = 30 * 86_400_000;

/** All is well with it. */
export function ok(id: string, found: string): Check {
  return { id, state: "ok", found, mend: null };
}

/** It works now, and should be mended. */
export function warn(id: string, found: string, mend: string): Check {
  return { id, state: "warn", found, mend };
}

/** Something does not work because of it. */
export function fail(id: string, found: string, mend: string): Check {
  return { id, state: "fail", found, mend };
}

/** 1 where anything fails. */
export function doctorExitCode(checks: readonly Check[]): 0 | 1 {
  return checks.some(({ state }) => state === "fail") ? 1 : 0;
}
