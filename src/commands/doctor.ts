// `doctor`: everything that can be wrong on this node, each with what mends it.

import type { Command } from "commander";
import { type CommandContext, type GlobalOptions, wantsColour, widthOf } from "./context.ts";

export function defineDoctor(program: Command, context: CommandContext): void {
  program
    .command("doctor")
    .description("looks for everything that can be wrong on this node, and says what mends it; changes nothing")
    .addHelpText(
      "after",
      "\nExample:\n  mirror-agent doctor\n  mirror-agent --output json doctor | jq '.checks[] | select(.state != \"ok\")'\n\nEnds with 1 if a check fails.",
    )
    .action(() => examine(program.opts<GlobalOptions>(), context));
}

async function examine(global: GlobalOptions, context: CommandContext): Promise<void> {
  const { observeNode } = await import("../agent/observe-node.ts");
  const { gatherFacts } = await import("../agent/gather-facts.ts");
  const { doctorExitCode } = await import("../core/doctor/check.ts");
  const { runChecks } = await import("../core/doctor/run-checks.ts");
  const { renderChecks } = await import("../report/render-checks.ts");
  const options = { ...context, root: global.root, configFile: global.config ?? null };
  await using node = await observeNode(options, context.signal);
  const facts = await gatherFacts(node, options, context.signal);
  const checks = runChecks(facts);
  context.stdout.write(
    global.output === "json"
      ? `${JSON.stringify({ schema: 1, host: facts.host.system, checks }, null, 2)}\n`
      : renderChecks(checks, { colour: wantsColour(context), width: widthOf(context) }),
  );
  context.exit(doctorExitCode(checks));
}
