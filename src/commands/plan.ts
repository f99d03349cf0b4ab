// `plan`: shows what `apply` would change on this node and why; changes nothing.

import type { Command } from "commander";
import type { PassPlan } from "../agent/reconcile.ts";
import type { PlanEntry } from "../report/plan-text.ts";
import { type CommandContext, EXIT, type GlobalOptions, wantsColour } from "./context.ts";
import { openHost, reportIssues } from "./pass-command.ts";

export function definePlan(program: Command, context: CommandContext): void {
  program
    .command("plan")
    .description("shows as a diff what apply would change on this node and why, without secrets")
    .option("--exit-code", "ends with 1 if there is something to change")
    .addHelpText("after", "\nExample:\n  mirror-agent plan --exit-code || mirror-agent apply")
    .action((options: { exitCode?: true }) => plan(options.exitCode === true, program.opts<GlobalOptions>(), context));
}

async function plan(wantsExitCode: boolean, global: GlobalOptions, context: CommandContext): Promise<void> {
  const { preparePass } = await import("../agent/one-pass.ts");
  const { compileCredential } = await import("../agent/compile-credential.ts");
  const { renderPlan } = await import("../report/plan-text.ts");
  const { renderCredentials } = await import("../report/render-credentials.ts");
  const { entriesOfTakeover, renderTakeover, summariseTakeover } = await import("../report/render-takeover.ts");
  await using host = await openHost("plan", global, context);
  const prepared = await preparePass(host, context.signal);
  if (prepared.kind === "rejected") return reportIssues(prepared.issues, { host, global, context });
  const { actions, credentials: states } = prepared.plan;
  const credentials = [...states.values()].flatMap((state) => {
    const credential = compileCredential(state);
    return credential === null ? [] : [{ endpoint: state.endpoint.url, role: state.endpoint.role, credential }];
  });
  const { plan: takeover } = prepared.node.takeover;
  const changes = actions.map(({ kind, path, because }) => ({ kind, path, because }));
  const json = { schema: 1, changes, containerd: summariseTakeover(takeover), credentials };
  const entries = [...planEntries(prepared.plan), ...entriesOfTakeover(takeover)];
  const colour = wantsColour(context);
  const restart = renderTakeover(takeover, { colour });
  const rendered = entries.length === 0 && restart !== "" ? restart : renderPlan(entries, { colour }) + restart;
  const lines = renderCredentials(credentials, { colour }).map((line) => `${line}\n`);
  context.stdout.write(
    global.output === "json"
      ? `${JSON.stringify(json, null, 2)}\n`
      : [rendered, ...(lines.length > 0 ? ["\n"] : []), ...lines].join(""),
  );
  context.exit(wantsExitCode && (actions.length > 0 || takeover.kind === "change") ? EXIT.notOk : EXIT.ok);
}

function planEntries({ actions, have }: PassPlan): PlanEntry[] {
  const before = (path: string): string | null => (have.hostsFiles.get(path) ?? have.tlsCopies.get(path))?.text ?? null;
  return actions.flatMap((action): PlanEntry[] => {
    const { path, because } = action;
    switch (action.kind) {
      case "backUpFile":
        return [];
      case "writeFile":
        return [{ path, before: before(path), after: action.text, mode: action.mode, because }];
      case "restoreFile":
        return [{ path, before: before(path), after: "", mode: null, because: `${because}; its original comes back` }];
      case "removeFile":
        return [{ path, before: before(path), after: null, mode: null, because }];
    }
    action satisfies never;
    return [];
  });
}
