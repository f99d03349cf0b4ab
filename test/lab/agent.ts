// The agent as a process of its own, as a node runs it: its log is read, its status waited for.

import { watch } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Status } from "../../src/report/status.ts";
import { type Daemon, PATIENCE_MS, startDaemon } from "./daemon.ts";
import type { Workspace } from "./workspace.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface LabAgent extends Daemon {
  readonly configPath: string;
  /** Replaces the config, as an editor does. */
  configure(text: string): Promise<void>;
  /** Its own: null while there is none but the one that an agent before it has left. */
  status(): Promise<Status | null>;
  /** The first status, also the present one, for which `wanted` holds. */
  untilStatus(wanted: (status: Status) => boolean, options?: { timeoutMs?: number }): Promise<Status>;
}

export interface LabAgentOptions {
  /** For `--root`: the folder of a lab's containerd. */
  readonly root: string;
  /** Null: the file that is there. */
  readonly config: string | null;
  readonly env?: Readonly<Record<string, string>>;
  /** Without what closing containerd's connections takes: a second descriptor of them, and CAP_NET_ADMIN. */
  readonly cannotClose?: boolean;
}

// The parent's death signal is lost where capabilities change.
const WITHOUT_NET_ADMIN = ["setpriv", "--bounding-set", "-net_admin", "setpriv", "--pdeathsig", "KILL"];

/** Resolves once the process runs; it is ended with the workspace. */
export async function startAgent(
  workspace: Workspace,
  { root, config, env = {}, cannotClose = false }: LabAgentOptions,
): Promise<LabAgent> {
  const configPath = join(root, "etc/mirror-agent/config.yaml");
  const statusPath = join(root, "run/mirror-agent/status.json");
  const configure = async (text: string): Promise<void> => {
    await mkdir(join(root, "etc/mirror-agent"), { recursive: true });
    await writeFile(configPath, text);
  };
  if (config !== null) await configure(config);
  await mkdir(join(root, "run/mirror-agent"), { recursive: true });
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  const limited = cannotClose ? [...WITHOUT_NET_ADMIN, ...node, "--no-experimental-ffi"] : node;
  const startedAtMs = Date.now();
  const daemon = await startDaemon([...limited, MAIN, "--root", root, "run"], { env });
  workspace.onEnd(() => daemon.kill());
  const status = async (): Promise<Status | null> => {
    const text = await readFile(statusPath, "utf8").catch(() => null);
    const found = text === null ? null : (JSON.parse(text) as Status);
    return found && Date.parse(found.updatedAt) >= startedAtMs ? found : null;
  };
  return Object.assign(Object.create(daemon) as Daemon, {
    configPath,
    configure,
    status,
    untilStatus: (wanted: (status: Status) => boolean, { timeoutMs = PATIENCE_MS } = {}) =>
      untilStatus({ folder: join(root, "run/mirror-agent"), status, wanted, timeoutMs, daemon }),
  });
}

interface Waiting {
  readonly folder: string;
  readonly status: () => Promise<Status | null>;
  readonly wanted: (status: Status) => boolean;
  readonly timeoutMs: number;
  readonly daemon: Daemon;
}

async function untilStatus({ folder, status, wanted, timeoutMs, daemon }: Waiting): Promise<Status> {
  const { promise, resolve, reject } = Promise.withResolvers<Status>();
  let last: Status | null = null;
  const look = async (): Promise<void> => {
    last = await status();
    if (last && wanted(last)) resolve(last);
  };
  const fail = (what: string) =>
    reject(new Error(`${what}: ${JSON.stringify(last, null, 1)}\n${daemon.lines.slice(-30).join("\n")}`));
  const watcher = watch(folder, () => void look());
  const timer = setTimeout(() => fail(`The status did not come within ${timeoutMs} ms`), timeoutMs);
  daemon.ended.then((code) => fail(`The agent ended with ${code}`));
  await look();
  try {
    return await promise;
  } finally {
    watcher.close();
    clearTimeout(timer);
    await nextTurn(); // what it logged before is read
  }
}
