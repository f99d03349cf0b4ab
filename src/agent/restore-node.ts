// Undoes everything that the agent did on this node. containerd's configuration comes first: once it no longer reads
// the routes, nobody misses their files. What was kept goes last, when nothing needs it any more.

import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Action } from "../core/action.ts";
import { parseConfig } from "../core/config/parse-config.ts";
import { planMigration } from "../core/containerd-config/plan-takeover.ts";
import { hostsTomlPath } from "../core/hosts-toml.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { planActions } from "../core/plan-actions.ts";
import { readTextIfThere } from "../node/files.ts";
import { Ledger } from "../node/ledger.ts";
import { removeMadeFolders } from "../node/made-folders.ts";
import { removeMetricsFile } from "../node/metrics-file.ts";
import { planRestore } from "../node/plan-restore.ts";
import type { RestartOutcome } from "../node/restart.ts";
import { NOTHING_REMEMBERED, type Remembered, readRemembered } from "../node/restart-memory.ts";
import type { Host } from "./host.ts";
import { loadLastGood } from "./load-config.ts";
import { observeFiles } from "./node-files.ts";
import { carryOut, resume } from "./take-over.ts";
import { wishOf } from "./takeover-state.ts";

export interface RestoreReport {
  /** In the order of doing. */
  readonly done: readonly Action[];
  /** A file of containerd's configuration, and what became of putting it back. */
  readonly containerd: readonly RestoredFile[];
}

export interface RestoredFile {
  readonly path: string;
  readonly outcome: RestartOutcome;
}

/** Puts this node back as it was; what cannot be put back is in the report, and stays remembered. */
export async function restoreNode(host: Host, signal: AbortSignal): Promise<RestoreReport> {
  const config = await findConfig(host);
  const { certsDir } = await host.lookAtContainerd(config, signal);
  const remembered = await readRemembered(host.paths.takeoverDir);
  const certsDirs = await listCertsDirs(host, certsDir, remembered);
  const containerd = await restoreContainerd(host, config, remembered, signal);
  if (containerd.some(({ outcome }) => outcome.kind === "failed")) return { done: [], containerd };
  const restored = await host.underLock(() => restoreFiles(host, config, certsDirs, signal));
  const done = [...restored, ...(await removeMetrics(config))];
  if (containerd.every(({ outcome }) => outcome.kind !== "refused")) {
    await removeMadeFolders(host.paths.stateDir);
    await rm(host.paths.stateDir, { recursive: true, force: true });
    await rm(host.paths.runDir, { recursive: true, force: true });
  }
  return { done, containerd };
}

// The settings of how to restart, where the config is gone: those that were last in force, or the usual ones.
async function findConfig(host: Host): Promise<MirrorConfig> {
  const { config } = await host.loadConfig();
  const known = config ?? (await loadLastGood(host.paths.stateDir))?.config ?? parseConfig("").config;
  if (known) return known;
  throw new Error("Cannot restore: an empty config is not valid");
}

async function listCertsDirs(host: Host, certsDir: string, { inEffect, edits }: Remembered): Promise<Set<string>> {
  const ledger = await Ledger.open(host.paths.stateDir);
  const ours = Object.values(edits).flatMap(({ undo }) => (undo === null ? [] : [undo.value]));
  const kept = [...ledger.paths].filter((path) => path.endsWith("/hosts.toml")).map((path) => dirname(dirname(path)));
  return new Set([certsDir, host.paths.certsDir, ...(inEffect ? [inEffect.configPath] : []), ...ours, ...kept]);
}

async function restoreContainerd(
  host: Host,
  config: MirrorConfig,
  { journal, edits }: Remembered,
  signal: AbortSignal,
): Promise<readonly RestoredFile[]> {
  if (journal === null && Object.keys(edits).length === 0) return [];
  return host.underTakeoverLock(async () => {
    const memory = await host.openRestartMemory();
    await resume(host, config, memory, signal);
    const { observed } = await host.lookAtContainerd(config, signal);
    const ledger = await Ledger.open(host.paths.stateDir);
    const { restart } = config.agent.containerd;
    const readOriginal = (path: string) => ledger.readOriginal(path);
    const { changes, refused } = await planRestore(observed, memory.now, { restart, readOriginal });
    const restored: RestoredFile[] = refused.map(({ path, because }) => ({
      path,
      outcome: { kind: "refused", because },
    }));
    for (const change of changes) {
      const outcome = await carryOut(host, config, { change, memory, spreadMs: 0 }, signal);
      restored.push({ path: change.edit?.path ?? "", outcome });
    }
    return restored;
  }, signal);
}

async function restoreFiles(
  host: Host,
  config: MirrorConfig,
  certsDirs: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly Action[]> {
  const done: Action[] = [];
  for (const certsDir of certsDirs) {
    const { have, folders } = await observeFiles({ ...host.paths, certsDir });
    const converted = await findConverted(host, config, { certsDir, folders }, signal);
    const actions = [...planActions([], have), ...converted];
    done.push(...actions);
    if (actions.length > 0) await host.perform(actions, config);
  }
  const missing = await findMissing(host);
  if (missing.length > 0) await host.perform(missing, config);
  return [...done, ...missing].map((action) => ({ ...action, because: "it is as it was before mirror-agent" }));
}

// Left there, it would tell of this node for ever.
async function removeMetrics({ agent }: MirrorConfig): Promise<Action[]> {
  const path = agent.metrics.textfile;
  // A file that only tells is no reason to leave everything else as it is.
  if (path === null || !(await removeMetricsFile(path).catch(() => false))) return [];
  return [{ kind: "removeFile", path, because: "nobody writes it any more" }];
}

// What `migrate` wrote and nobody has changed since is what it would write again.
async function findConverted(
  host: Host,
  config: MirrorConfig,
  { certsDir, folders }: { certsDir: string; folders: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<Action[]> {
  const { observed } = await host.lookAtContainerd(config, signal);
  const { hostsFiles } = planMigration(observed, wishOf({ config, certsDir }), NOTHING_REMEMBERED);
  const found: Action[] = [];
  for (const { registry, text } of hostsFiles) {
    const path = hostsTomlPath(certsDir, registry, folders);
    if ((await readTextIfThere(path)) === text) found.push({ kind: "removeFile", path, because: "" });
  }
  return found;
}

async function findMissing(host: Host): Promise<Action[]> {
  const ledger = await Ledger.open(host.paths.stateDir);
  const found: Action[] = [];
  for (const path of ledger.paths) {
    if (path.endsWith("/hosts.toml") && (await readTextIfThere(path)) === null)
      found.push({ kind: "restoreFile", path, because: "" });
  }
  return found;
}
