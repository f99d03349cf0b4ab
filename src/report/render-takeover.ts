// What is to happen to containerd's own configuration, for people: the edit is shown with the other files, this is
// the rest of it.

import type { TakeoverPlan } from "../core/containerd-config/plan-takeover.ts";
import { escapeControl } from "./escape-control.ts";
import type { PlanEntry } from "./plan-text.ts";
import { paint } from "./table.ts";

/** The files that the plan changes. */
export function entriesOfTakeover(plan: TakeoverPlan): PlanEntry[] {
  if (plan.kind !== "change" || plan.edit === null) return [];
  const { path, oldText, newText, auths } = plan.edit;
  const mode = oldText === newText || auths.some(({ auth }) => auth !== null) ? 0o600 : null;
  return [{ path, before: oldText, after: newText, mode, because: plan.because }];
}

/** A line that ends with a newline: the restart, or why containerd is left alone; "" if there is neither. */
export function renderTakeover(plan: TakeoverPlan, { colour }: { colour: boolean }): string {
  const line = describeTakeover(plan);
  return line === "" ? "" : `${paint(escapeControl(line), plan.kind === "refused" ? "yellow" : "bold", colour)}\n`;
}

/** The same as a value, without secrets. */
export function summariseTakeover(plan: TakeoverPlan) {
  const { kind, because } = plan;
  const mend = plan.kind === "refused" ? plan.mend : null;
  const path = plan.kind === "change" ? (plan.edit?.path ?? null) : null;
  return { kind, because, mend, path, restart: plan.kind === "change" ? plan.restart : "none" };
}

function describeTakeover(plan: TakeoverPlan): string {
  if (plan.kind === "refused") return `containerd's configuration stays as it is: ${plan.because}; ${plan.mend}`;
  if (plan.kind === "settled" || plan.restart === "none") return "";
  return plan.restart === "now"
    ? `Restart containerd: ${plan.because}`
    : `Restart owed, which is left to you: ${plan.because}`;
}
