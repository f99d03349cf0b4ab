// What a restart waits for. None of it announces itself: containerd has no event for "the CRI is ready", and
// systemd's "active" comes also when the CRI plugin failed to load.

import { setTimeout as delay } from "node:timers/promises";
import type { RestartPorts, RestartRun } from "./restart.ts";
import type { Journal } from "./restart-memory.ts";

const LOOK_AGAIN_MS = 200;

/** Whether another daemon runs than the one before a restart, soon. */
export async function isReplaced(
  journal: Journal,
  { ports, policy }: RestartRun,
  signal: AbortSignal,
): Promise<boolean> {
  const deadlineMs = performance.now() + policy.settlesWithinMs;
  for (;;) {
    const identity = await ports.findIdentity();
    if (identity !== null && identity !== journal.daemon) return true;
    if (performance.now() >= deadlineMs) return false;
    await delay(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/** Until another daemon runs and its CRI answers, or the time is over; then `problem` says what is missing. */
export async function waitForAnswer(before: string | null, { ports, policy }: RestartRun, signal: AbortSignal) {
  const deadlineMs = performance.now() + policy.answersWithinMs;
  for (;;) {
    const identity = await ports.findIdentity();
    const problem = await findRestartProblem(before, { identity, ports }, signal);
    if (problem === null || performance.now() >= deadlineMs) return { problem, identity };
    await delay(LOOK_AGAIN_MS, undefined, { signal });
  }
}

async function findRestartProblem(
  before: string | null,
  { identity, ports }: { identity: string | null; ports: RestartPorts },
  signal: AbortSignal,
): Promise<string | null> {
  if (identity === null) return "it does not run";
  if (identity === before) return "it was not restarted";
  return ports.findCriProblem(signal);
}

/** Until no download has grown for two looks, or the time is over: a pull that hangs is no reason to wait. */
export async function waitForPulls({ ports, policy }: RestartRun, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + policy.pullsWithinMs;
  let quiet = 0;
  while (quiet < 2 && performance.now() < deadlineMs) {
    if (quiet === 1) await delay(LOOK_AGAIN_MS, undefined, { signal });
    quiet = (await ports.countPulls(signal)) === 0 ? quiet + 1 : 0;
    if (quiet === 0) await delay(LOOK_AGAIN_MS, undefined, { signal });
  }
}
