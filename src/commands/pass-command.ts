// What `plan` and `apply` share: opening the host, and saying what is wrong with the config.

import type { Host } from "../agent/host.ts";
import type { ConfigIssue } from "../core/config-issue.ts";
import { type CommandContext, EXIT, type GlobalOptions } from "./context.ts";

/** Opens this host for one command; it is closed with the command. */
export async function openHost(
  command: string,
  { root, config }: GlobalOptions,
  { env, nowMs, pid }: CommandContext,
): Promise<Host & AsyncDisposable> {
  const { Host } = await import("../agent/host.ts");
  const host = new Host({
    root,
    configFile: config ?? null,
    env,
    nowMs,
    holder: `mirror-agent ${command}, pid ${pid}`,
  });
  return Object.assign(host, { [Symbol.asyncDispose]: async () => host.close() });
}

/** Says what is wrong with the config, and ends the command with 2. */
export async function reportIssues(
  issues: readonly ConfigIssue[],
  { host, global, context }: { host: Host; global: GlobalOptions; context: CommandContext },
): Promise<void> {
  const { renderIssues } = await import("../core/config/render-issues.ts");
  const text = renderIssues(issues, { path: host.paths.config });
  if (global.output === "json")
    context.stdout.write(`${JSON.stringify({ schema: 1, valid: false, issues }, null, 2)}\n`);
  else context.stderr.write(`${text}The config is not valid; nothing was changed\n`);
  context.exit(EXIT.usage);
}
