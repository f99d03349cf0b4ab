// What there is to know about a node's containerd before deciding anything about it.

import type { ResolvedConfig } from "./resolve-config.ts";
import type { ContainerdVersion } from "./versions.ts";

export interface ObservedContainerd {
  readonly socket: string;
  /** Null where no daemon runs at the socket. */
  readonly daemon: RunningDaemon | null;
  /** The program that the next start runs; null if none was found. */
  readonly binary: string | null;
  /** That program's version: it reads config.toml at the next start. Null if there is no program. */
  readonly version: ContainerdVersion | null;
  /** Who else writes this containerd's configuration. */
  readonly managedBy: "k3s" | "rke2" | null;
  /** Null without a version, since it is the version that says how files are read. */
  readonly config: ResolvedConfig | null;
  /** When the last of its files changed; null if there are none, or the clock cannot tell. */
  readonly configChangedAtMs: number | null;
}

export interface RunningDaemon {
  /** Names this very process: another after every start, also across reboots. */
  readonly identity: string;
  readonly pid: number;
  readonly startedAtMs: number;
  /** The version that runs, which reads hosts.toml; it may be older than the program on disk. */
  readonly version: ContainerdVersion | null;
  readonly unit: DaemonUnit | null;
  /** Where relative imports of 1.6 start. */
  readonly workingFolder: string;
  /** Null while the CRI answers, else why it does not. */
  readonly criProblem: string | null;
}

export interface DaemonUnit {
  readonly name: string;
  /** systemd's: "process", "mixed", "control-group", "none". */
  readonly killMode: string;
}

/** Whether the daemon runs with something older than what is on disk; false where none runs, or nobody can tell. */
export function hasChangedSinceStart({
  daemon,
  configChangedAtMs,
}: Pick<ObservedContainerd, "daemon" | "configChangedAtMs">): boolean {
  return daemon !== null && configChangedAtMs !== null && configChangedAtMs > daemon.startedAtMs;
}
