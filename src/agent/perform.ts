// Carries actions out, in the order that the plan gives. Actions of one stage do not depend on each
// other and run side by side, since each waits for the disk twice (files.ts).

import type { Action } from "../core/action.ts";

/** How each kind of action is done. A new kind does not compile until it is handled. */
export type Performers = {
  readonly [Kind in Action["kind"]]: (action: Extract<Action, { kind: Kind }>) => Promise<void>;
};

/** Some actions failed; the others of their stage were done, later stages were not begun. */
export class PerformError extends Error {
  override readonly name = "PerformError";
}

const SIDE_BY_SIDE = 64;

/** Performs `actions` stage by stage; throws a PerformError that tells every failure of the first stage that failed. */
export async function perform(actions: readonly Action[], performers: Performers, signal: AbortSignal): Promise<void> {
  for (const stage of stagesOf(actions)) {
    signal.throwIfAborted();
    const settled = await Promise.allSettled(stage.map((action) => performOne(action, performers)));
    const failures = settled.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
    if (failures.length > 0) throw failureOf(failures);
  }
}

function performOne(action: Action, performers: Performers): Promise<void> {
  const performer = performers[action.kind] as (action: Action) => Promise<void>;
  return performer(action);
}

function* stagesOf(actions: readonly Action[]): Generator<Action[]> {
  let stage: Action[] = [];
  for (const action of actions) {
    const first = stage[0];
    if (first && (stageOf(first) !== stageOf(action) || stage.length === SIDE_BY_SIDE)) {
      yield stage;
      stage = [];
    }
    stage.push(action);
  }
  if (stage.length > 0) yield stage;
}

// Copies of TLS files are a stage of their own: they are on disk before a hosts.toml names them.
function stageOf(action: Action): string {
  return action.kind === "writeFile" && action.path.endsWith(".pem") ? "writeTlsCopy" : action.kind;
}

function failureOf(failures: readonly Error[]): PerformError {
  const [first] = failures;
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more like it)` : "";
  return new PerformError(`Cannot change the node: ${first?.message}${more}`, { cause: first });
}
