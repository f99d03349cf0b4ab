// `check [FILE]`: validates the config and every file that it names; changes nothing.

import type { Command } from "commander";
import type { ConfigIssue } from "../core/config-issue.ts";
import type { TakeoverPlan } from "../core/containerd-config/plan-takeover.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { nodePaths } from "../core/node-paths.ts";
import { type CommandContext, EXIT, type GlobalOptions, wantsColour } from "./context.ts";
import { openHost } from "./pass-command.ts";

export function defineCheck(program: Command, context: CommandContext): void {
  program
    .command("check")
    .argument("[file]", "the config to check (default: the one that is in use)")
    .description("validates the config, and the certificates and credentials that it names; changes nothing")
    .addHelpText("after", "\nExample:\n  mirror-agent check ./config.yaml && cp config.yaml /etc/mirror-agent/")
    .action((file?: string) => check(file ?? null, program.opts<GlobalOptions>(), context));
}

async function check(file: string | null, global: GlobalOptions, context: CommandContext): Promise<void> {
  const { checkConfig } = await import("../agent/check-config.ts");
  const { config: path } = nodePaths(global.root, file ?? global.config ?? null, null);
  const { config, issues } = await checkConfig(path, context);
  // A config that is not the one in use is not for this node.
  const refusal = config && file === null ? await findRefusal(config, global, context) : null;
  const checked = { path, config, issues, refusal };
  context.stdout.write(global.output === "json" ? renderJson(checked) : await renderText(checked, context));
  context.exit(config ? EXIT.ok : EXIT.usage);
}

interface Checked {
  readonly path: string;
  readonly config: MirrorConfig | null;
  readonly issues: readonly ConfigIssue[];
  /** Why this node's containerd is left as it is; null if it is not. */
  readonly refusal: Refusal | null;
}

type Refusal = Extract<TakeoverPlan, { kind: "refused" }>;

async function findRefusal(
  config: MirrorConfig,
  global: GlobalOptions,
  context: CommandContext,
): Promise<Refusal | null> {
  const checks = await import("../agent/check-containerd.ts");
  await using host = await openHost("check", global, context);
  return checks.findRefusal(host, config, context.signal);
}

function renderJson({ config, issues, refusal }: Checked): string {
  return `${JSON.stringify({ schema: 1, valid: config !== null, issues, containerd: refusal }, null, 2)}\n`;
}

async function renderText({ path, config, issues, refusal }: Checked, context: CommandContext): Promise<string> {
  const { renderIssues } = await import("../core/config/render-issues.ts");
  const { renderTakeover } = await import("../report/render-takeover.ts");
  const containerd = refusal ? renderTakeover(refusal, { colour: wantsColour(context) }) : "";
  return renderIssues(issues, { path }) + (config ? `${path} is valid: ${summarise(config)}\n` : "") + containerd;
}

function summarise({ mirrors }: MirrorConfig): string {
  if (mirrors.length === 0) return "it names no mirror, so there is nothing to do; add one under registryMirrors";
  const registries = [...new Set(mirrors.flatMap((mirror) => mirror.hosts))];
  return `${mirrors.length} ${mirrors.length === 1 ? "mirror" : "mirrors"} for ${registries.join(", ")}`;
}
