// What `push images` does: the wiring of package, plan, registry and display.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkSignature } from "../push/check-signature.ts";
import { dryRun } from "../push/dry-run.ts";
import { openJournal } from "../push/journal.ts";
import { loadImages } from "../push/load-images.ts";
import { openPackage } from "../push/open-package.ts";
import { type PlanProblem, type PushPlan, planPush } from "../push/plan.ts";
import { runPush } from "../push/run-push.ts";
import { type ProgressDisplay, showProgress } from "../push/show-progress.ts";
import { startSession } from "./connect.ts";
import { type CommandContext, EXIT } from "./context.ts";
import { type OpenRegistry, openRegistry } from "./open-registry.ts";
import { packagePath, planOptions } from "./package-flags.ts";
import type { PushFlags } from "./push-images.ts";
import { renderDryRun, renderEnd, reportOf } from "./push-output.ts";

/** Pushes; resolves with the exit code. */
export async function pushImages(
  flags: PushFlags,
  positional: string | undefined,
  context: CommandContext,
): Promise<number> {
  const path = packagePath(flags, positional);
  const { signal } = context;
  if (flags.publicKey !== undefined) await checkSignature(path, flags.publicKey, signal);
  const warn = (text: string): void => void context.stderr.write(`warning: ${text}\n`);
  const { address, registry } = await openRegistry(flags, context);
  try {
    const images = await openPackage(path, { workdir: flags.workdir ?? tmpdir(), signal });
    try {
      const { loaded, problems } = await loadImages(images);
      const plan = planPush(loaded, { ...planOptions(flags), namespace: address.namespace });
      for (const name of plan.guessed)
        warn(`the package names no repository for ${name}, which is taken from its place`);
      const whole = { ...plan, problems: [...problems, ...plan.problems] };
      if (whole.images.length + whole.problems.length === 0)
        throw new Error(`Cannot push "${path}": no image in it is left to push`);
      return await pushPlan(whole, { flags, context, open: { address, registry } });
    } finally {
      await images.close();
    }
  } finally {
    await registry.close();
  }
}

interface Pushing {
  readonly flags: PushFlags;
  readonly context: CommandContext;
  readonly open: OpenRegistry;
}

async function pushPlan(plan: PushPlan, pushing: Pushing): Promise<number> {
  if (pushing.flags.dryRun) return showDryRun(plan, pushing);
  const display = startDisplay(pushing);
  try {
    for (const problem of plan.problems) display.onEvent({ kind: "imageDone", result: problemResult(problem) });
    if (plan.problems.length === 0 || pushing.flags.keepGoing) await push(plan, pushing, display);
  } finally {
    display.close();
  }
  const { context, flags } = pushing;
  const text =
    flags.output === "json" ? reportOf(display.progress, context.nowMs()) : renderEnd(display.progress, context);
  context.stdout.write(`${text}\n`);
  const good = ["pushed", "present", "skipped"];
  return display.progress.results.every(({ state }) => good.includes(state)) && !context.signal.aborted
    ? EXIT.ok
    : EXIT.notOk;
}

async function push(plan: PushPlan, pushing: Pushing, display: ProgressDisplay): Promise<void> {
  const { flags, context, open } = pushing;
  const journal = await openJournal(journalFolder(context), open.registry.origin);
  const { onExistingTag, keepGoing = false, recheck = false } = flags;
  try {
    const options = { journal, onExistingTag, keepGoing, recheck };
    await runPush(startSession(open.registry, flags, { context, onEvent: display.onEvent }), plan.images, options);
  } catch (error) {
    if (!context.signal.aborted) throw error;
  } finally {
    await journal.close();
  }
}

async function showDryRun(plan: PushPlan, pushing: Pushing): Promise<number> {
  const { context, open, flags } = pushing;
  const result = await dryRun(startSession(open.registry, flags, { context, onEvent: () => undefined }), plan.images);
  const json = flags.output === "json";
  context.stdout.write(
    json ? `${JSON.stringify({ ...result, problems: plan.problems })}\n` : renderDryRun(result, plan, open),
  );
  return plan.problems.length === 0 ? EXIT.ok : EXIT.notOk;
}

function startDisplay({ flags, context }: Pushing): ProgressDisplay {
  const { stdout, nowMs } = context;
  const style = flags.output === "json" ? "json" : stdout.isTTY ? "live" : "lines";
  return showProgress({ style, output: stdout, nowMs });
}

function problemResult({ image, message }: PlanProblem) {
  return { image, target: image, digest: "", state: "failed", reason: message } as const;
}

function journalFolder({ env }: CommandContext): string {
  return join(env.XDG_STATE_HOME || join(env.HOME ?? "/root", ".local/state"), "mirror-agent/push");
}
