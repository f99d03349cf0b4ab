// `status`: what the daemon on this node does now, from the file that it keeps; once, or as it changes.

import type { Command } from "commander";
import { nodePaths } from "../core/node-paths.ts";
import { type CommandContext, EXIT, type GlobalOptions, wantsColour, widthOf } from "./context.ts";

const HELP = `
Example:
  mirror-agent status
  mirror-agent status --watch
  mirror-agent --output json status | jq .endpoints

--watch shows it as it changes, until q or ctrl-c: on a terminal as a live screen, else as one block (with
--output json: one line of JSON) for each change.`;

export function defineStatus(program: Command, context: CommandContext): void {
  program
    .command("status")
    .description("shows what the agent on this node does now; ends with 1 if something is down")
    .option("-w, --watch", "goes on showing it as it changes")
    .addHelpText("after", HELP)
    .action((flags: { watch?: boolean }) => run(flags, program.opts<GlobalOptions>(), context));
}

async function run({ watch }: { watch?: boolean }, global: GlobalOptions, context: CommandContext): Promise<void> {
  const path = nodePaths(global.root, null, null).status;
  if (!watch) return showStatus(path, global, context);
  const { watchStatus } = await import("./watch-status.ts");
  return watchStatus(path, global, context);
}

async function showStatus(path: string, global: GlobalOptions, context: CommandContext): Promise<void> {
  const { readTextIfThere } = await import("../node/files.ts");
  const { renderStatus } = await import("../report/render-status.ts");
  const { statusExitCode } = await import("../report/status.ts");
  const { foldView, NOTHING_SEEN } = await import("../report/status-view.ts");
  const text = await readTextIfThere(path);
  const { status, problem } = foldView(NOTHING_SEEN, text, path);
  if (status === null) {
    context.stderr.write(`${problem}\n`);
    return context.exit(EXIT.notOk);
  }
  const options = { colour: wantsColour(context), width: widthOf(context), nowMs: context.nowMs() };
  context.stdout.write(global.output === "json" ? (text ?? "") : renderStatus(status, options));
  context.exit(statusExitCode(status));
}
