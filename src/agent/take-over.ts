// Puts containerd's own configuration right, so that it reads the routes and has the credentials that they need: what
// an earlier process began is finished first, then the node is looked at again and what is missing is done. It has a
// lock of its own, because it may wait for pulls and for containerd, and the routes must follow health meanwhile.

import { loadedAuths } from "../core/containerd-config/plan-auths.ts";
import { authMemory, type Change, type TakeoverPlan } from "../core/containerd-config/plan-takeover.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import {
  performTakeover,
  type RestartOutcome,
  type RestartRun,
  resumeTakeover,
  USUAL_POLICY,
} from "../node/restart.ts";
import { forgetPaid, type RestartMemory, rememberInEffect } from "../node/restart-memory.ts";
import { createRestartPorts } from "../node/restart-ports.ts";
import type { Host } from "./host.ts";
import { planContainerd } from "./takeover-state.ts";

/** What a takeover came to; no secrets in its texts. */
export interface TakeoverReport {
  /** Of what an earlier process began; null if nothing was. */
  readonly resumed: RestartOutcome | null;
  readonly plan: TakeoverPlan;
  /** Of the plan; null where there was nothing to carry out. */
  readonly outcome: RestartOutcome | null;
}

export interface TakeoverOptions {
  /** How long a restart is put off, so that not all nodes of a fleet restart at once. */
  readonly spreadMs: number;
}

/** Does what the node's containerd needs to read the routes. */
export function takeOver(
  host: Host,
  config: MirrorConfig,
  { spreadMs }: TakeoverOptions,
  signal: AbortSignal,
): Promise<TakeoverReport> {
  return host.underTakeoverLock(async () => {
    // What they take decides what the edit has to hold: one restart for all of it.
    await host.waitForAnswers(signal);
    const memory = await host.openRestartMemory();
    const resumed = await resume(host, config, memory, signal);
    const { observed, certsDir } = await host.lookAtContainerd(config, signal);
    const plan = planContainerd(observed, { config, certsDir, auths: host.authWishes(observed) }, memory.now);
    if (plan.kind === "refused") return { resumed, plan, outcome: null };
    if (observed.daemon !== null && (plan.kind === "settled" || plan.isRead)) {
      // Before the files change: afterwards their times say nothing of what this daemon has loaded.
      const auths = loadedAuths(observed, authMemory(memory.now));
      await rememberInEffect(memory, { daemon: observed.daemon.identity, configPath: certsDir, auths });
    }
    if (plan.kind === "settled") {
      await forgetPaid(memory, observed.daemon?.identity ?? null);
      return { resumed, plan, outcome: null };
    }
    return { resumed, plan, outcome: await carryOut(host, config, { change: plan, memory, spreadMs }, signal) };
  }, signal);
}

/** Finishes what an earlier process began; only under the lock. */
export async function resume(
  host: Host,
  config: MirrorConfig,
  memory: RestartMemory,
  signal: AbortSignal,
): Promise<RestartOutcome | null> {
  if (memory.now.journal === null) return null;
  const { wanted } = memory.now.journal;
  return resumeTakeover(await openRun(host, config, { memory, wanted, spreadMs: 0 }, signal), signal);
}

/** Carries one change out; only under the lock. */
export async function carryOut(
  host: Host,
  config: MirrorConfig,
  { change, memory, spreadMs }: { change: Change; memory: RestartMemory; spreadMs: number },
  signal: AbortSignal,
): Promise<RestartOutcome> {
  const run = await openRun(host, config, { memory, wanted: change.wanted, spreadMs }, signal);
  return performTakeover(change, run, signal);
}

interface RunOptions extends TakeoverOptions {
  readonly memory: RestartMemory;
  readonly wanted: string;
}

async function openRun(
  host: Host,
  config: MirrorConfig,
  { memory, wanted, spreadMs }: RunOptions,
  signal: AbortSignal,
): Promise<RestartRun> {
  const { observed } = await host.lookAtContainerd(config, signal);
  const ports = createRestartPorts(observed, {
    restartCommand: config.agent.containerd.restartCommand,
    stateDir: host.paths.takeoverDir,
    wanted,
    backUp: (path, isOriginal) => host.backUp(path, isOriginal),
  });
  // Where containerd is gone nothing can be tried, and nothing can fail.
  const untried = observed.binary === null ? { findLoadProblem: async () => null } : {};
  return { memory, ports: { ...ports, ...untried }, policy: { ...USUAL_POLICY, spreadMs } };
}
