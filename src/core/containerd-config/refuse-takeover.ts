// What stops a takeover before anything is changed, each with what mends it.

import type { ObservedContainerd, RunningDaemon } from "./observed-containerd.ts";
import type { ResolvedConfig } from "./resolve-config.ts";
import { type ContainerdVersion, refusesTlsBesideConfigPath } from "./versions.ts";

export interface Refused {
  readonly kind: "refused";
  readonly because: string;
  readonly mend: string;
  /** The running containerd reads the routes all the same. */
  readonly isRead?: boolean;
}

export type Readable = { readonly config: ResolvedConfig; readonly version: ContainerdVersion };

/** A configuration that containerd would start with, or the refusal. */
export function readContainerd({ managedBy, version, config }: ObservedContainerd): Readable | Refused {
  if (managedBy !== null) return refuseManaged(managedBy);
  if (version === null || config === null) {
    return refuse(
      "no containerd was found on this node",
      "install containerd, or name it with agent.containerd.binary",
    );
  }
  const error = config.problems.find((problem) => problem.severity === "error");
  if (!error) return { config, version };
  const place = `"${error.file}" line ${error.line}, column ${error.column}`;
  return refuse(`${place}: ${error.message}`, `mend "${error.file}"; nothing of containerd is changed until then`);
}

/** Mirrors in the old way shut out config_path; null if there are none. */
export function refuseLegacy({ legacy: { mirrors, tls } }: ResolvedConfig, version: ContainerdVersion): Refused | null {
  const mend =
    "run `mirror-agent migrate` to see them as hosts.toml files, and `mirror-agent migrate --yes` to convert them";
  if (mirrors.length > 0) return refuse(`containerd has registry.mirrors for ${list(mirrors)}`, mend);
  if (tls.length === 0 || !refusesTlsBesideConfigPath(version)) return null;
  return refuse(`containerd has registry.configs.*.tls for ${list(tls)}`, mend);
}

/** Why this daemon is not restarted now; null if it may be. */
export function refuseRestart(
  daemon: RunningDaemon,
  failed: { readonly key: string; readonly because: string } | null,
  key: string,
): Refused | null {
  const unit = daemon.unit;
  if (unit !== null && unit.killMode !== "process") {
    const because = `a restart would end containers: ${unit.name} has KillMode=${unit.killMode}, not "process"`;
    return refuse(
      because,
      `set KillMode=process in the unit, or agent.containerd.restart: never and restart it yourself`,
    );
  }
  if (daemon.criProblem) {
    return refuse(
      `the CRI does not answer as it is: ${daemon.criProblem}`,
      "mend containerd first; it is not restarted until then",
    );
  }
  if (failed?.key !== key) return null;
  const mend = "see containerd's log; it is tried again when config.toml, containerd or the wanted folder changes";
  return refuse(failed.because, mend);
}

function refuseManaged(by: "k3s" | "rke2"): Refused {
  const because = `${by === "k3s" ? "k3s" : "RKE2"} writes this containerd's configuration anew at every start`;
  return refuse(
    because,
    `name the mirrors in /etc/rancher/${by}/registries.yaml, and remove mirror-agent from this node`,
  );
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/** A refusal, with what would mend it. */
export function refuse(because: string, mend: string): Refused {
  return { kind: "refused", because, mend };
}
