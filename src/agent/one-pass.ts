// One pass outside the daemon, for `plan` and `apply`: with the health that the daemon last knew.

import type { ConfigIssue } from "../core/config-issue.ts";
import { endpointKey } from "../core/endpoint.ts";
import { readHealth, writeLastGood } from "../node/state.ts";
import type { ValidConfig } from "./agent-ports.ts";
import type { Host } from "./host.ts";
import { type ObservedNode, type PassPlan, planPass } from "./reconcile.ts";
import { type TakeoverReport, takeOver } from "./take-over.ts";

export type Prepared =
  | { readonly kind: "rejected"; readonly issues: readonly ConfigIssue[] }
  | { readonly kind: "planned"; readonly valid: ValidConfig; readonly node: ObservedNode; readonly plan: PassPlan };

type Planned = Extract<Prepared, { kind: "planned" }>;

export type Applied =
  | Exclude<Prepared, Planned>
  | (Planned & { readonly takeover: TakeoverReport; readonly after: ObservedNode });

/** Decides what the node needs, and changes nothing. */
export async function preparePass(host: Host, signal: AbortSignal): Promise<Prepared> {
  const { config, text, ...loaded } = await host.loadConfig();
  if (config === null || text === null) return { kind: "rejected", issues: loaded.issues };
  const valid = { ...loaded, config, text };
  const credentialOf = await host.readCredentials(valid);
  await host.waitForAnswers(signal);
  const { endpoints, out } = await readHealth(host.paths.stateDir);
  const node = await host.observe(config);
  const stateOf: Parameters<typeof planPass>[0]["stateOf"] = (endpoint) =>
    endpoints[endpointKey(endpoint)]?.state ?? "unknown";
  const { tlsFiles } = valid;
  return { kind: "planned", valid, node, plan: planPass({ config, tlsFiles, stateOf, out, credentialOf }, node) };
}

/** Does what the node needs, its files first, so that containerd starts with them; gives what was done. */
export async function applyPass(host: Host, signal: AbortSignal): Promise<Applied> {
  const prepared = await applyFiles(host, signal);
  if (prepared.kind === "rejected") return prepared;
  const takeover = await takeOver(host, prepared.valid.config, { spreadMs: 0 }, signal);
  return { ...prepared, takeover, after: await host.observe(prepared.valid.config) };
}

function applyFiles(host: Host, signal: AbortSignal): Promise<Prepared> {
  return host.underLock(async () => {
    const prepared = await preparePass(host, signal);
    if (prepared.kind === "rejected") return prepared;
    const { valid, plan } = prepared;
    await host.perform(plan.actions, valid.config);
    await writeLastGood(host.paths.stateDir, { text: valid.text, tlsFiles: [...valid.tlsFiles.values()] });
    return prepared;
  });
}
