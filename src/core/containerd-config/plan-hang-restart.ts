// Decides about the restart that frees pulls which hang (`containerd.restart: on-hang`). It changes nothing of
// containerd's configuration; whatever speaks against a restart for a takeover speaks against this one.

import type { ObservedContainerd } from "./observed-containerd.ts";
import type { TakeoverPlan } from "./plan-takeover.ts";

export interface HangRestartContext {
  /** What the configuration itself needs, which comes first. */
  readonly takeover: TakeoverPlan;
  readonly lastRestartAtMs: number | null;
  /** Wall clock. */
  readonly nowMs: number;
}

export type HangRestartPlan =
  /** `daemon`: the one that has to be replaced. */
  { readonly kind: "restart"; readonly daemon: string } | { readonly kind: "refused"; readonly because: string };

/** containerd is restarted for pulls that hang once in so long at most, whoever asked for the last restart. */
export const RESTART_EVERY_MS = 10 * 60_000;

/** Pure: whether containerd is to be restarted now. */
export function planHangRestart({ daemon }: ObservedContainerd, context: HangRestartContext): HangRestartPlan {
  const { takeover, lastRestartAtMs, nowMs } = context;
  if (daemon === null) return refuse("containerd does not run");
  if (takeover.kind !== "settled") return refuse(`its configuration comes first: ${takeover.because}`);
  if (lastRestartAtMs !== null && Math.abs(nowMs - lastRestartAtMs) < RESTART_EVERY_MS)
    return refuse("it was restarted less than ten minutes ago");
  if (daemon.unit !== null && daemon.unit.killMode !== "process") {
    const { name, killMode } = daemon.unit;
    return refuse(`a restart would end containers: ${name} has KillMode=${killMode}, not "process"`);
  }
  if (daemon.criProblem !== null) return refuse(`the CRI does not answer as it is: ${daemon.criProblem}`);
  return { kind: "restart", daemon: daemon.identity };
}

function refuse(because: string): HangRestartPlan {
  return { kind: "refused", because };
}
