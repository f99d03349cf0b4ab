// Where scripts/setup put the programs of other projects that real tests run, and whether they can run here.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export type ContainerdVersion = "1.6" | "1.7" | "2.1";

export const CONTAINERD_VERSIONS: readonly ContainerdVersion[] = ["1.6", "1.7", "2.1"];

// Debian's suites: 12, 13 and 14.
const SUITES = { "1.6": "bookworm", "1.7": "trixie", "2.1": "forky" } as const;

const LAB =
  process.env.MIRROR_AGENT_LAB ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "mirror-agent-lab");

/** The folder that holds `containerd`, its shims and `ctr` of that version. */
export function containerdFolder(version: ContainerdVersion): string {
  return join(LAB, SUITES[version], "usr/bin");
}

export const runcFolder: string = join(LAB, "bookworm/usr/sbin");
export const dockerRegistryBinary: string = join(LAB, "bookworm/usr/bin/docker-registry");
/** The root file system of a Debian 12 node with systemd and containerd 1.6. */
export const nodeRoot: string = join(LAB, "node");
export const craneBinary: string = join(LAB, "forky/usr/bin/crane");
/** Prometheus' own checks, and Prometheus itself. */
export const promtoolBinary: string = join(LAB, "bookworm/usr/bin/promtool");
export const prometheusBinary: string = join(LAB, "bookworm/usr/bin/prometheus");

/** For the `skip` option of a real test: false, or why it cannot run here. */
export function labMissing(): string | false {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, since containerd mounts";
  if (!existsSync(join(LAB, "parts"))) return `needs containerd and docker-registry in "${LAB}", run scripts/setup`;
  return false;
}

/** As labMissing(), for tests that need promtool alone. */
export function promtoolMissing(): string | false {
  return existsSync(promtoolBinary) ? false : `needs promtool in "${LAB}", run scripts/setup`;
}
