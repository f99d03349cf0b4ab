// `restore`: puts the node back as it was before mirror-agent.

import type { Command } from "commander";
import type { Host } from "../agent/host.ts";
import type { RestoredFile, RestoreReport } from "../agent/restore-node.ts";
import { type CommandContext, EXIT, type GlobalOptions } from "./context.ts";
import { openHost } from "./pass-command.ts";
import { runCommand } from "./run-command.ts";

export function defineRestore(program: Command, context: CommandContext): void {
  program
    .command("restore")
    .description("undoes everything that the agent did on this node; stop the agent first")
    .addHelpText("after", "\nExample:\n  systemctl disable --now mirror-agent && mirror-agent restore")
    .action(() => runCommand(context, "restore", () => restore(program.opts<GlobalOptions>(), context)));
}

async function restore(global: GlobalOptions, context: CommandContext): Promise<number> {
  const { restoreNode } = await import("../agent/restore-node.ts");
  await using host = await openHost("restore", global, context);
  const report = await withoutDaemon(host, context, () => restoreNode(host, context.signal));
  context.stdout.write(global.output === "json" ? renderJson(report) : renderText(report));
  for (const line of report.containerd.flatMap(describeTrouble)) context.stderr.write(`${line}\n`);
  return report.containerd.some(({ outcome }) => outcome.kind === "failed" || outcome.kind === "refused")
    ? EXIT.notOk
    : EXIT.ok;
}

// A running agent would do everything again.
async function withoutDaemon<T>(host: Host, { pid, signal }: CommandContext, work: () => Promise<T>): Promise<T> {
  const { acquireLock, LockError } = await import("../node/lock.ts");
  const { makeFolder } = await import("../node/files.ts");
  await makeFolder(host.paths.runDir);
  const options = { waitMs: 0, holder: `mirror-agent restore, pid ${pid}`, signal };
  await using _lock = await acquireLock(`${host.paths.runDir}/run.lock`, options).catch((error) => {
    if (!(error instanceof LockError) || error.heldBy === null) throw error;
    const mend = "stop it with systemctl disable --now mirror-agent";
    throw new Error(`Cannot restore: ${error.heldBy} would do it all again; ${mend}`, { cause: error });
  });
  return await work();
}

function renderJson({ done, containerd }: RestoreReport): string {
  const files = done.map(({ kind, path }) => ({ kind, path }));
  return `${JSON.stringify({ schema: 1, done: files, containerd }, null, 2)}\n`;
}

function renderText({ done, containerd }: RestoreReport): string {
  const restored = containerd.flatMap(describeRestored);
  const files = done.map(({ kind, path }) => `${kind === "restoreFile" ? "Put back" : "Removed"} ${path}`);
  const lines = [...restored, ...files];
  return lines.length + containerd.length === 0 ? "Nothing to restore\n" : lines.map((line) => `${line}\n`).join("");
}

function describeRestored({ path, outcome }: RestoredFile): string[] {
  if (outcome.kind === "owed") return [`Put back ${path}`];
  if (outcome.kind !== "done") return [];
  return [`Put back ${path}${outcome.restarted ? ", containerd was restarted" : ""}`];
}

function describeTrouble({ path, outcome }: RestoredFile): string[] {
  if (outcome.kind === "done") return [];
  if (outcome.kind === "owed") return ["containerd uses the old configuration once you restart it"];
  return [`${path} stays as it is: ${outcome.because}`];
}
