// `run`: the daemon.

import type { Command } from "commander";
import { Option } from "commander";
import { VERSION } from "../version.ts";
import type { CommandContext, GlobalOptions } from "./context.ts";

export function defineRun(program: Command, context: CommandContext): void {
  program
    .command("run")
    .description(
      "runs the daemon: keeps containerd's mirror configuration in line with the config and the mirrors' health",
    )
    .addOption(
      new Option("--log-format <format>", "how log lines are written").choices(["text", "json"]).default("text"),
    )
    .addHelpText("after", "\nExample:\n  mirror-agent --root /tmp/lab run")
    .action((options: { logFormat: "text" | "json" }) => run(options, program.opts<GlobalOptions>(), context));
}

async function run(
  { logFormat }: { logFormat: "text" | "json" },
  global: GlobalOptions,
  context: CommandContext,
): Promise<void> {
  const { chooseLogPrefix, createLog, openLogDestination } = await import("../report/log.ts");
  const { runDaemon } = await import("../agent/run-daemon.ts");
  const { env, signal, nowMs, pid } = context;
  const isTerminal = context.stdout.isTTY === true;
  const prefix = chooseLogPrefix(STDOUT, { journalStream: env.JOURNAL_STREAM, isTerminal });
  const log = createLog({ format: logFormat, level: "info", prefix, destination: openLogDestination(STDOUT) });
  const configFile = global.config ?? null;
  const options = { root: global.root, configFile, env, pid, version: VERSION, log, nowMs, signal };
  await runDaemon(options, (reload) => context.onHangup(reload));
}

const STDOUT = 1;
