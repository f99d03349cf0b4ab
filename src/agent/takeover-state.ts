// What a pass knows of containerd's own configuration: whether the routes are read, what is missing for that, and
// whether anything has to be done about it. Doing it takes minutes at worst, so it is not part of the pass.

import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import { type AuthState, type AuthWishes, loadedAuths } from "../core/containerd-config/plan-auths.ts";
import {
  authMemory,
  findAuthStates,
  planTakeover,
  type TakeoverPlan,
  type TakeoverWish,
} from "../core/containerd-config/plan-takeover.ts";
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
  /** How it stands with the credentials that config.toml has to hold. */
  readonly auths: readonly AuthState[];
  /** Servers whose credential, whoever's, the running containerd has from there; absent where that is not known. */
  readonly loadedHosts?: readonly string[];
  /** Stays the same while nothing changes that a takeover depends on. */
  readonly stamp: string;
}

export interface Wanted {
  readonly config: MirrorConfig;
  readonly certsDir: string;
  /** Absent where credentials were not read. */
  readonly auths?: AuthWishes | undefined;
}

/** The state of the takeover on an observed node. */
export function compileTakeoverState(
  observed: ObservedContainerd,
  wanted: Wanted,
  remembered: Remembered,
): TakeoverState {
  const { config, certsDir } = wanted;
  const plan = planContainerd(observed, wanted, remembered);
  const { journal, inEffect, failed, lastRestartAtMs } = remembered;
  const identity = observed.daemon?.identity ?? null;
  const isKnown = inEffect?.daemon === identity && inEffect?.configPath === certsDir;
  const isNews = plan.kind === "settled" && identity !== null && needsContainerd(config) && !isKnown;
  const isOwed = journal?.step === "owed" || (plan.kind === "change" && plan.edit === null && plan.restart === "owed");
  const summary = plan.kind === "change" ? { ...plan, edit: plan.edit !== null } : plan;
  return {
    plan,
    inEffect: plan.kind === "settled" || plan.isRead === true,
    isDue: journal !== null || plan.kind === "change" || isNews,
    restartOwed: isOwed && plan.kind !== "settled",
    lastRestartAtMs,
    auths: findAuthStates(observed, wishOf(wanted), remembered),
    loadedHosts: Object.keys(loadedAuths(observed, authMemory(remembered))),
    stamp: JSON.stringify([summary, journal && { ...journal, edit: null }, inEffect, failed, identity, certsDir]),
  };
}

/** What to do so that containerd reads the routes; nothing where there are none. */
export function planContainerd(observed: ObservedContainerd, wanted: Wanted, remembered: Remembered): TakeoverPlan {
  const wish = wishOf(wanted);
  if (needsContainerd(wanted.config)) return planTakeover(observed, wish, remembered);
  const hasAuths = Object.values(remembered.edits).some(({ auths }) => Object.keys(auths).length > 0);
  if (!hasAuths) return { kind: "settled", because: "the config names no registry" };
  // What is left to do is to take them out: config_path may stay as it is.
  return planTakeover(observed, { ...wish, certsDir: observed.config?.configPath ?? wanted.certsDir }, remembered);
}

/** What the config wants of containerd's own configuration. */
export function wishOf({ config: { agent }, certsDir, auths }: Wanted): TakeoverWish {
  const { restart } = agent.containerd;
  return auths === undefined ? { certsDir, restart } : { certsDir, restart, auths };
}

/** The state where it could not be found out, which changes nothing. */
export function unknownTakeover(because: string): TakeoverState {
  const plan = { kind: "refused", because, mend: "nothing of containerd is changed until then" } as const;
  const nothing = { inEffect: false, isDue: false, restartOwed: false, lastRestartAtMs: null, auths: [] };
  return { plan, ...nothing, stamp: because };
}

function needsContainerd(config: MirrorConfig): boolean {
  return compileRoutes(config).length > 0;
}
