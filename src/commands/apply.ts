// `apply`: one pass, then ends. For Ansible and image builds; beside a running daemon it waits for its turn.

import type { Command } from "commander";
import type { Applied } from "../agent/one-pass.ts";
import type { Action } from "../core/action.ts";
import type { EventText } from "../report/events.ts";
import { type CommandContext, EXIT, type GlobalOptions } from "./context.ts";
import { openHost, reportIssues } from "./pass-command.ts";

export function defineApply(program: Command, context: CommandContext): void {
  program
    .command("apply")
    .description("brings this node in line with the config once, then ends")
    .addHelpText("after", "\nExample:\n  mirror-agent --config ./config.yaml apply")
    .action(() => apply(program.opts<GlobalOptions>(), context));
}

async function apply(global: GlobalOptions, context: CommandContext): Promise<void> {
  const { applyPass } = await import("../agent/one-pass.ts");
  const { eventsOfTakeover } = await import("../agent/takeover-events.ts");
  const { describeEvent } = await import("../report/events.ts");
  await using host = await openHost("apply", global, context);
  const applied = await applyPass(host, context.signal);
  if (applied.kind === "rejected") return reportIssues(applied.issues, { host, global, context });
  const { actions } = applied.plan;
  const told = eventsOfTakeover(applied.takeover).map(describeEvent);
  context.stdout.write(global.output === "json" ? renderJson(applied) : renderText(actions, told));
  const { inEffect, restartOwed, plan } = applied.after.takeover;
  if (inEffect && !restartOwed && plan.kind !== "refused") return context.exit(EXIT.ok);
  const problems = told.filter(({ level }) => level !== "info").map(({ message }) => `${message}\n`);
  context.stderr.write(problems.join(""));
  context.exit(EXIT.notOk);
}

function renderJson({ plan, takeover, after }: Extract<Applied, { kind: "planned" }>): string {
  const done = plan.actions.map(({ kind, path, because }) => ({ kind, path, because }));
  const { inEffect, restartOwed } = after.takeover;
  const outcome = takeover.outcome ?? takeover.resumed;
  return `${JSON.stringify({ schema: 1, done, containerd: { inEffect, restartOwed, outcome } }, null, 2)}\n`;
}

const DONE: Record<Action["kind"], string> = {
  backUpFile: "Kept",
  writeFile: "Wrote",
  restoreFile: "Put back",
  removeFile: "Removed",
};

function renderText(actions: readonly Action[], told: readonly EventText[]): string {
  const files = actions.map(({ kind, path, because }) => `${DONE[kind]} ${path}: ${because}\n`);
  const containerd = told.filter(({ level }) => level === "info").map(({ message }) => `${message}\n`);
  return files.length + containerd.length === 0 ? "Nothing to change\n" : [...files, ...containerd].join("");
}
