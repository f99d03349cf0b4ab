// What a takeover is worth telling.

import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import type { Change, TakeoverPlan } from "../core/containerd-config/plan-takeover.ts";
import type { RestartOutcome } from "../node/restart.ts";
import type { Event } from "../report/events.ts";
import type { TakeoverReport } from "./take-over.ts";

const MEND_LATER = "it is tried again when config.toml, containerd or the wanted folder changes";

/** The events of a takeover, in the order of telling. */
export function eventsOfTakeover({ resumed, plan, outcome }: TakeoverReport): Event[] {
  const finished = resumed === null ? [] : [describeOutcome(resumed, null)];
  const done = outcome === null ? [] : [describeOutcome(outcome, plan.kind === "change" ? plan : null)];
  return [...finished, ...done, ...eventsOfPlan(plan)];
}

/** What a plan alone has to say: why containerd is left alone. */
export function eventsOfPlan(plan: TakeoverPlan): Event[] {
  if (plan.kind !== "refused") return [];
  return [{ kind: "takeoverRefused", because: plan.because, mend: plan.mend }];
}

function describeOutcome(outcome: RestartOutcome, change: Change | null): Event {
  const edit = change?.edit ?? null;
  switch (outcome.kind) {
    case "done":
      return { kind: "takeoverDone", path: edit?.path ?? null, restarted: outcome.restarted, ...credentialsOf(edit) };
    case "owed":
      return { kind: "restartOwed", because: outcome.because, isRead: change?.isRead ?? false };
    case "refused":
      return { kind: "takeoverRefused", because: outcome.because, mend: MEND_LATER };
    case "failed":
      return { kind: "takeoverFailed", because: outcome.because, recovered: outcome.recovered };
  }
}

// Where config_path was set too, that is the news.
function credentialsOf(edit: FileEdit | null) {
  if (edit === null || edit.undo !== null || edit.isRestore) return {};
  const hosts = (isSet: boolean) => edit.auths.filter(({ auth }) => (auth !== null) === isSet).map(({ host }) => host);
  return { credentials: { set: hosts(true), takenOut: hosts(false) } };
}
