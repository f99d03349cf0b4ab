// `status`: what the daemon on this node does now, from the file that it keeps.

import type { Command } from "commander";
import { nodePaths } from "../core/node-paths.ts";
import type { Status } from "../report/status.ts";
import { type CommandContext, EXIT, type GlobalOptions, wantsColour } from "./context.ts";

export function defineStatus(program: Command, context: CommandContext): void {
  program
    .command("status")
    .description("shows what the agent on this node does now; ends with 1 if something is down")
    .addHelpText(
      "after",
      "\nExample:\n  mirror-agent status --help\n  mirror-agent --output json status | jq .endpoints",
    )
    .action(() => showStatus(program.opts<GlobalOptions>(), context));
}

async function showStatus(global: GlobalOptions, context: CommandContext): Promise<void> {
  const { readTextIfThere } = await import("../node/files.ts");
  const { statusExitCode } = await import("../report/status.ts");
  const path = nodePaths(global.root, null, null).status;
  const text = await readTextIfThere(path);
  if (text === null) {
    context.stderr.write(
      `There is no "${path}": mirror-agent is not running here; start it with systemctl start mirror-agent\n`,
    );
    return context.exit(EXIT.notOk);
  }
  const status = JSON.parse(text) as Status;
  context.stdout.write(global.output === "json" ? text : await render(status, context));
  context.exit(statusExitCode(status));
}

const DEFAULT_WIDTH = 80;

async function render(status: Status, context: CommandContext): Promise<string> {
  const { renderStatus } = await import("../report/render-status.ts");
  const width = context.stdout.columns ?? DEFAULT_WIDTH;
  return renderStatus(status, { colour: wantsColour(context), width, nowMs: context.nowMs() });
}
