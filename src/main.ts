// argv → command → exit code. The only file that touches the process; what a command needs of it
// goes in as a value. Commands load what they run when they run it, so that the daemon does not
// carry the others in memory.

import { Command, CommanderError } from "commander";
import { defineApply } from "./commands/apply.ts";
import { defineCheck } from "./commands/check.ts";
import type { CommandContext } from "./commands/context.ts";
import { EXIT } from "./commands/context.ts";
import { definePlan } from "./commands/plan.ts";
import { definePushImages } from "./commands/push-images.ts";
import { defineRun } from "./commands/run.ts";
import { defineSaveImages } from "./commands/save-images.ts";
import { defineStatus } from "./commands/status.ts";
import { defineVerifyImages } from "./commands/verify-images.ts";
import { VERSION } from "./version.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

const context: CommandContext = {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
  onHangup: (listener) => void process.on("SIGHUP", listener),
  pid: process.pid,
  nowMs: Date.now,
  exit: (code) => {
    process.exitCode = code;
  },
};

const program = new Command("mirror-agent")
  .description(
    "Keeps containerd pulling images through private registry mirrors, and through the upstream while they fail",
  )
  .version(VERSION)
  .option("--config <file>", "the mirror config (default: /etc/mirror-agent/config.yaml)")
  .option("--root <dir>", "moves all paths under DIR, for a containerd that runs outside of it", "")
  .option("--output <format>", "how results are printed: text or json", "text")
  .hook("preAction", (_, command) => checkOutput(command))
  .exitOverride();

const images = [definePushImages, defineVerifyImages, defineSaveImages];
for (const define of [defineRun, defineCheck, definePlan, defineApply, defineStatus, ...images])
  define(program, context);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}

/** `save images --output FILE` names its package with it, so what it may say is only known with the command. */
function checkOutput(command: Command): void {
  const { output } = program.opts<{ output: string }>();
  if (output === "text" || output === "json" || command.parent?.name() === "save") return;
  command.error(`error: option '--output <format>' argument '${output}' is invalid. Allowed choices are text, json.`);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`mirror-agent: ${message}\n`);
  return EXIT.notOk;
}
