// The command line as a whole: options that all commands share, and every command by its own file.

import { Command, CommanderError } from "commander";
import { VERSION } from "../version.ts";
import { defineApply } from "./apply.ts";
import { defineCheck } from "./check.ts";
import { type CommandContext, EXIT } from "./context.ts";
import { defineDoctor } from "./doctor.ts";
import { defineExplain } from "./explain.ts";
import { defineMigrate } from "./migrate.ts";
import { definePlan } from "./plan.ts";
import { definePushImages } from "./push-images.ts";
import { defineRestore } from "./restore.ts";
import { defineRun } from "./run.ts";
import { defineSaveImages } from "./save-images.ts";
import { defineStatus } from "./status.ts";
import { defineVerifyImages } from "./verify-images.ts";

const COMMANDS = [
  defineRun,
  defineCheck,
  definePlan,
  defineApply,
  defineStatus,
  defineExplain,
  defineDoctor,
  defineMigrate,
  defineRestore,
  definePushImages,
  defineVerifyImages,
  defineSaveImages,
];

/** Runs the command that `args` name (without the program's own name); its exit code goes to `context.exit`. */
export async function runProgram(args: readonly string[], context: CommandContext): Promise<void> {
  try {
    await createProgram(context).parseAsync(args, { from: "user" });
  } catch (error) {
    context.exit(report(error, context));
  }
}

function createProgram(context: CommandContext): Command {
  const { stdout, stderr } = context;
  const program: Command = new Command("mirror-agent")
    .description(
      "Keeps containerd pulling images through private registry mirrors, and through the upstream while they fail",
    )
    .version(VERSION)
    .option("--config <file>", "the mirror config (default: /etc/mirror-agent/config.yaml)")
    .option("--root <dir>", "moves all paths under DIR, for a containerd that runs outside of it", "")
    .option("--output <format>", "how results are printed: text or json", "text")
    .hook("preAction", (_, command) => checkOutput(program, command))
    .exitOverride()
    .configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: (text) => void stderr.write(text) });
  for (const define of COMMANDS) define(program, context);
  return program;
}

/** `save images --output FILE` names its package with it, so what it may say is only known with the command. */
function checkOutput(program: Command, command: Command): void {
  const { output } = program.opts<{ output: string }>();
  if (output === "text" || output === "json" || command.parent?.name() === "save") return;
  command.error(`error: option '--output <format>' argument '${output}' is invalid. Allowed choices are text, json.`);
}

function report(error: unknown, { stderr }: CommandContext): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  stderr.write(`mirror-agent: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT.notOk;
}
