// `apply`: one pass, then ends. For Ansible and image builds; beside a running daemon it waits for its turn.

import type { Command } from "commander";
import type { Action } from "../core/action.ts";
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
  await using host = await openHost("apply", global, context);
  const applied = await applyPass(host, context.signal);
  if (applied.kind === "rejected") return reportIssues(applied.issues, { host, global, context });
  const { actions } = applied.plan;
  const { takeover } = applied.node;
  context.stdout.write(global.output === "json" ? renderJson(actions) : renderText(actions));
  if (takeover.kind === "settled") return context.exit(EXIT.ok);
  context.stderr.write(`containerd does not read these files yet: ${takeover.because}\n`);
  context.exit(EXIT.notOk);
}

function renderJson(actions: readonly Action[]): string {
  return `${JSON.stringify({ schema: 1, done: actions.map(({ kind, path, because }) => ({ kind, path, because })) }, null, 2)}\n`;
}

const DONE: Record<Action["kind"], string> = {
  backUpFile: "Kept",
  writeFile: "Wrote",
  restoreFile: "Put back",
  removeFile: "Removed",
};

function renderText(actions: readonly Action[]): string {
  if (actions.length === 0) return "Nothing to change\n";
  return actions.map(({ kind, path, because }) => `${DONE[kind]} ${path}: ${because}\n`).join("");
}
