// What a pass knows of containerd's own configuration: whether the routes are read, what is missing for that, and
// whether anything has to be done about it. Doing it takes minutes at worst, so it is not part of the pass.

import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import { planTakeover, type TakeoverPlan, type TakeoverWish } from "../core/containerd-config/plan-takeover.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { compileRoutes } from "../core/routes.ts";
import type { Remembered } from "../node/restart-memory.ts";

export interface TakeoverState {
  readonly plan: TakeoverPlan;
  /** Whether containerd reads the routes now. */
  readonly inEffect: boolean;
  /** Whether there is something to finish, to do or to remember. */
  readonly isDue: boolean;
  /** Whether a restart is all that is missing, and not ours to do or not done yet. */
  readonly restartOwed: boolean;
  readonly lastRestartAtMs: number | null;
  /** Servers for which config.toml holds a credential, whoever wrote it. */
  readonly authHosts: readonly string[];
  /** Stays the same while nothing changes that a takeover depends on. */
  readonly stamp: string;
}

/** The state of the takeover on an observed node. */
export function compileTakeoverState(
  observed: ObservedContainerd,
  { config, certsDir }: { config: MirrorConfig; certsDir: string },
  remembered: Remembered,
): TakeoverState {
  const plan = planContainerd(observed, { config, certsDir }, remembered);
  const { journal, inEffect, failed, lastRestartAtMs } = remembered;
  const identity = observed.daemon?.identity ?? null;
  const isKnown = inEffect?.daemon === identity && inEffect?.configPath === certsDir;
  const isNews = plan.kind === "settled" && identity !== null && needsContainerd(config) && !isKnown;
  const isOwed = journal?.step === "owed" || (plan.kind === "change" && plan.edit === null && plan.restart === "owed");
  const summary = plan.kind === "change" ? { ...plan, edit: plan.edit !== null } : plan;
  return {
    plan,
    inEffect: plan.kind === "settled" || (plan.kind === "change" && plan.restart === "none" && isKnown),
    isDue: journal !== null || plan.kind === "change" || isNews,
    restartOwed: isOwed && plan.kind !== "settled",
    lastRestartAtMs,
    authHosts: observed.config?.legacy.auth ?? [],
    stamp: JSON.stringify([summary, journal && { ...journal, edit: null }, inEffect, failed, identity, certsDir]),
  };
}

/** What to do so that containerd reads the routes; nothing where there are none. */
export function planContainerd(
  observed: ObservedContainerd,
  { config, certsDir }: { config: MirrorConfig; certsDir: string },
  remembered: Remembered,
): TakeoverPlan {
  if (!needsContainerd(config)) return { kind: "settled", because: "the config names no registry" };
  return planTakeover(observed, wishOf(config, certsDir), remembered);
}

export function wishOf({ agent }: MirrorConfig, certsDir: string): TakeoverWish {
  return { certsDir, restart: agent.containerd.restart };
}

/** The state where it could not be found out, which changes nothing. */
export function unknownTakeover(because: string): TakeoverState {
  const plan = { kind: "refused", because, mend: "nothing of containerd is changed until then" } as const;
  const nothing = { inEffect: false, isDue: false, restartOwed: false, lastRestartAtMs: null, authHosts: [] };
  return { plan, ...nothing, stamp: because };
}

function needsContainerd(config: MirrorConfig): boolean {
  return compileRoutes(config).length > 0;
}
