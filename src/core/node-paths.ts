// Where everything is on the node. `--root` moves all of it for a containerd that runs outside.

import type { ContainerdSettings } from "./mirror-config.ts";

export interface NodePaths {
  readonly config: string;
  readonly stateDir: string;
  readonly tlsDir: string;
  /** What was done to containerd; a folder of its own, since nobody else may tidy it. */
  readonly takeoverDir: string;
  readonly runDir: string;
  readonly status: string;
  readonly containerdConfig: string;
  readonly certsDir: string;
  readonly containerdSocket: string;
}

/** The paths under `root` ("" for the host itself); `configFile` as given on the command line, or null. */
export function nodePaths(root: string, configFile: string | null, settings: ContainerdSettings | null): NodePaths {
  const stateDir = `${root}/var/lib/mirror-agent`;
  const runDir = `${root}/run/mirror-agent`;
  return {
    config: configFile ?? `${root}/etc/mirror-agent/config.yaml`,
    stateDir,
    tlsDir: `${stateDir}/tls`,
    takeoverDir: `${stateDir}/takeover`,
    runDir,
    status: `${runDir}/status.json`,
    containerdConfig: settings?.configPath ?? `${root}/etc/containerd/config.toml`,
    certsDir: settings?.certsDir ?? `${root}/etc/containerd/certs.d`,
    containerdSocket: settings?.socket ?? `${root}/run/containerd/containerd.sock`,
  };
}
