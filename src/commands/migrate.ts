// `migrate`: containerd's legacy registry.mirrors as hosts.toml files.

import type { Command } from "commander";
import type { PreparedMigration } from "../agent/migrate-node.ts";
import type { RestartOutcome } from "../node/restart.ts";
import { type CommandContext, EXIT, type GlobalOptions, wantsColour } from "./context.ts";
import { openHost, reportIssues } from "./pass-command.ts";

export function defineMigrate(program: Command, context: CommandContext): void {
  program
    .command("migrate")
    .description("converts containerd's legacy registry.mirrors and configs.*.tls into hosts.toml files")
    .option("--yes", "does it; without this it is only shown")
    .addHelpText("after", "\nExample:\n  mirror-agent migrate && mirror-agent migrate --yes")
    .action((options: { yes?: true }) => migrate(options.yes === true, program.opts<GlobalOptions>(), context));
}

type Migrated = PreparedMigration & { readonly outcome: RestartOutcome | null };

async function migrate(isMeant: boolean, global: GlobalOptions, context: CommandContext): Promise<void> {
  const { migrateNode, prepareMigration } = await import("../agent/migrate-node.ts");
  await using host = await openHost("migrate", global, context);
  const { config, issues, text } = await host.loadConfig();
  const { parseConfig } = await import("../core/config/parse-config.ts");
  const chosen = text === null ? parseConfig("").config : config;
  if (chosen === null) return reportIssues(issues, { host, global, context });
  const prepared = isMeant
    ? await migrateNode(host, chosen, context.signal)
    : { ...(await prepareMigration(host, chosen, context.signal)), outcome: null };
  const rendered = global.output === "json" ? renderJson : renderText;
  context.stdout.write(await rendered(prepared, { colour: wantsColour(context) }));
  const { eventsOfTakeover } = await import("../agent/takeover-events.ts");
  const { describeEvent } = await import("../report/events.ts");
  const { plan, outcome, isNeeded } = prepared;
  if (!isNeeded) return context.exit(EXIT.ok);
  const told = eventsOfTakeover({ resumed: null, plan, outcome }).map(describeEvent);
  for (const { level, message } of told) {
    if (level !== "info") context.stderr.write(`${message}\n`);
    else if (global.output === "text") context.stdout.write(`${message}\n`);
  }
  const isWell = plan.kind !== "refused" && (outcome === null || outcome.kind === "done" || outcome.kind === "owed");
  context.exit(isWell ? EXIT.ok : EXIT.notOk);
}

async function renderJson({ isNeeded, plan, hostsFiles, outcome }: Migrated): Promise<string> {
  const { summariseTakeover } = await import("../report/render-takeover.ts");
  const files = hostsFiles.map(({ path }) => path);
  return `${JSON.stringify({ schema: 1, isNeeded, files, containerd: summariseTakeover(plan), outcome }, null, 2)}\n`;
}

async function renderText({ isNeeded, plan, hostsFiles }: Migrated, { colour }: { colour: boolean }): Promise<string> {
  if (!isNeeded) return `Nothing to migrate: ${plan.because}\n`;
  if (plan.kind !== "change") return "";
  const { renderPlan } = await import("../report/plan-text.ts");
  const { entriesOfTakeover, renderTakeover } = await import("../report/render-takeover.ts");
  const { HOSTS_MODE } = await import("../agent/migrate-node.ts");
  const because = "it means the same as containerd's registry.mirrors";
  const files = hostsFiles.map(({ path, text }) => ({ path, before: null, after: text, mode: HOSTS_MODE, because }));
  return renderPlan([...files, ...entriesOfTakeover(plan)], { colour }) + renderTakeover(plan, { colour });
}
