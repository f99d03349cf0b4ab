// `check [FILE]`: validates the config and every file that it names; changes nothing.

import type { Command } from "commander";
import type { ConfigIssue } from "../core/config-issue.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { nodePaths } from "../core/node-paths.ts";
import { type CommandContext, EXIT, type GlobalOptions } from "./context.ts";

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
  context.stdout.write(global.output === "json" ? renderJson(config, issues) : await renderText(path, config, issues));
  context.exit(config ? EXIT.ok : EXIT.usage);
}

function renderJson(config: MirrorConfig | null, issues: readonly ConfigIssue[]): string {
  return `${JSON.stringify({ schema: 1, valid: config !== null, issues }, null, 2)}\n`;
}

async function renderText(path: string, config: MirrorConfig | null, issues: readonly ConfigIssue[]): Promise<string> {
  const { renderIssues } = await import("../core/config/render-issues.ts");
  return renderIssues(issues, { path }) + (config ? `${path} is valid: ${summarise(config)}\n` : "");
}

function summarise({ mirrors }: MirrorConfig): string {
  if (mirrors.length === 0) return "it names no mirror, so there is nothing to do; add one under registryMirrors";
  const registries = [...new Set(mirrors.flatMap((mirror) => mirror.hosts))];
  return `${mirrors.length} ${mirrors.length === 1 ? "mirror" : "mirrors"} for ${registries.join(", ")}`;
}
