// `explain IMAGE`: which servers containerd asks for an image, in which order, with whose credentials, and what each
// answers right now.

import type { Command } from "commander";
import { parseImageReference } from "../core/image-reference.ts";
import type { AgentNote } from "../report/agent-notes.ts";
import { type CommandContext, EXIT, type GlobalOptions, wantsColour, widthOf } from "./context.ts";

export function defineExplain(program: Command, context: CommandContext): void {
  program
    .command("explain")
    .argument("<image>", "as it stands in a pod: busybox, gcr.io/team/app:1.0, quay.io/a/b@sha256:...")
    .description("shows whom containerd asks for an image, what each answers, and what a pull would do now")
    .addHelpText(
      "after",
      "\nExample:\n  mirror-agent explain gcr.io/team/app:1.0\n\nEnds with 0 if a pull would succeed now, else with 1;\nalso where it would only after a restart of containerd, which has not loaded its configuration yet.",
    )
    .action((image: string) => explain(image, program.opts<GlobalOptions>(), context));
}

async function explain(image: string, global: GlobalOptions, context: CommandContext): Promise<void> {
  const parsed = parseImageReference(image);
  if (!parsed.ok) {
    context.stderr.write(`mirror-agent explain: Cannot explain "${image}": ${parsed.because}\n`);
    return context.exit(EXIT.usage);
  }
  const { observeNode } = await import("../agent/observe-node.ts");
  const { explainImage } = await import("../agent/explain-image.ts");
  const { explanationExitCode } = await import("../core/explain/explanation.ts");
  const { renderExplanation } = await import("../report/render-explanation.ts");
  await using node = await observeNode(
    { ...context, root: global.root, configFile: global.config ?? null },
    context.signal,
  );
  const explanation = await explainImage(parsed.reference, node, context.signal);
  const notes = await readNotes(node.paths.status, explanation.registry, context.nowMs());
  const view = { colour: wantsColour(context), width: widthOf(context), nowMs: context.nowMs(), notes };
  context.stdout.write(
    global.output === "json"
      ? `${JSON.stringify({ ...explanation, agent: notes }, null, 2)}\n`
      : renderExplanation(explanation, view),
  );
  context.exit(explanationExitCode(explanation));
}

/** What the agent says about a registry's mirrors; nothing where it does not run. */
async function readNotes(path: string, registry: string, nowMs: number): Promise<readonly AgentNote[]> {
  const { readTextIfThere } = await import("../node/files.ts");
  const { findAgentNotes } = await import("../report/agent-notes.ts");
  const { describeAge } = await import("../report/render-status.ts");
  const { foldView, NOTHING_SEEN } = await import("../report/status-view.ts");
  const { status } = foldView(NOTHING_SEEN, await readTextIfThere(path), path);
  return status === null || describeAge(status, nowMs) !== null ? [] : findAgentNotes(status, registry, nowMs);
}
