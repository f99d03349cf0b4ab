// Converts containerd's legacy mirrors: the hosts.toml files that mean the same are there before containerd is
// restarted without the mirrors. They are the operator's from then on.

import { dirname } from "node:path";
import { type Migration, planMigration } from "../core/containerd-config/plan-takeover.ts";
import { hostsTomlPath } from "../core/hosts-toml.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { observeCertsDir } from "../node/certs-dir.ts";
import { writeFileAtomic } from "../node/files.ts";
import { rememberMissingFolders } from "../node/made-folders.ts";
import type { RestartOutcome } from "../node/restart.ts";
import { readRemembered } from "../node/restart-memory.ts";
import type { Host } from "./host.ts";
import { carryOut, resume } from "./take-over.ts";
import { wishOf } from "./takeover-state.ts";

export interface PreparedMigration {
  /** Whether there is anything to convert. */
  readonly isNeeded: boolean;
  readonly plan: Migration["plan"];
  /** Those that do not exist yet. */
  readonly hostsFiles: readonly { readonly path: string; readonly text: string }[];
}

export const HOSTS_MODE = 0o644;

/** What a migration would do; changes nothing. */
export async function prepareMigration(
  host: Host,
  config: MirrorConfig,
  signal: AbortSignal,
): Promise<PreparedMigration> {
  const { observed, certsDir } = await host.lookAtContainerd(config, signal);
  const remembered = await readRemembered(host.paths.takeoverDir);
  const { plan, hostsFiles } = planMigration(observed, wishOf({ config, certsDir }), remembered);
  const have = await observeCertsDir(certsDir);
  const files = hostsFiles.map(({ registry, text }) => ({
    path: hostsTomlPath(certsDir, registry, have.folders),
    text,
  }));
  const legacy = observed.config?.legacy;
  return {
    isNeeded: legacy !== undefined && legacy.mirrors.length + legacy.tls.length > 0,
    plan,
    hostsFiles: files.filter(({ path }) => !have.hostsFiles.has(path)),
  };
}

/** Does it; `outcome` is null where the plan is no change. */
export function migrateNode(
  host: Host,
  config: MirrorConfig,
  signal: AbortSignal,
): Promise<PreparedMigration & { readonly outcome: RestartOutcome | null }> {
  return host.underTakeoverLock(async () => {
    const memory = await host.openRestartMemory();
    await resume(host, config, memory, signal);
    const prepared = await host.underLock(async () => {
      const made = await prepareMigration(host, config, signal);
      if (made.plan.kind === "change")
        for (const { path, text } of made.hostsFiles) {
          await rememberMissingFolders(host.paths.stateDir, dirname(dirname(path)));
          await writeFileAtomic(path, text, { mode: HOSTS_MODE });
        }
      return made;
    });
    if (prepared.plan.kind !== "change") return { ...prepared, outcome: null };
    return {
      ...prepared,
      outcome: await carryOut(host, config, { change: prepared.plan, memory, spreadMs: 0 }, signal),
    };
  }, signal);
}
