// Starts the daemon, once a node: what it holds for as long as it runs, and what it says as it ends.

import { makeFolder } from "../node/files.ts";
import { acquireLock, type Lock } from "../node/lock.ts";
import { createSdNotify } from "../node/sd-notify.ts";
import { readHealth } from "../node/state.ts";
import { Daemon, type DaemonOptions } from "./daemon.ts";
import { Host } from "./host.ts";
import { Paced } from "./paced.ts";

/** How often at most there is a pass because of a credential. */
const CREDENTIAL_PACE_MS = 1000;

/** Runs the daemon until `signal` is aborted; `onReady` gets the way to ask for a reload. Throws if another one runs. */
export async function runDaemon(options: DaemonOptions, onReady: (reload: () => void) => void): Promise<void> {
  const changes = new Paced<null>(CREDENTIAL_PACE_MS, () => daemon.requestPass());
  const host = new Host({ ...options, holder: holderOf(options), onCredentialChange: () => changes.call(null) });
  await makeFolder(host.paths.runDir);
  const lockOptions = { waitMs: 0, holder: holderOf(options), signal: options.signal };
  await using _lock: Lock = await acquireLock(`${host.paths.runDir}/run.lock`, lockOptions);
  const service = await createSdNotify(options.env);
  const known = await readHealth(host.paths.stateDir);
  const daemon = new Daemon(options, { host, service, known });
  options.log.event({ kind: "started", version: options.version, configPath: host.paths.config });
  onReady(() => void daemon.reload());
  try {
    await daemon.run();
  } finally {
    options.log.event({ kind: "stopping", because: "asked to" });
    await daemon.close();
    changes.close();
  }
}

function holderOf({ pid }: DaemonOptions): string {
  return `mirror-agent run, pid ${pid}`;
}
