// A node for the daemon as a process: a mirror and an upstream that are switched, and no containerd.

import { join } from "node:path";
import { type LabAgent, startAgent } from "../lab/agent.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { untilFile } from "../lab/until-file.ts";
import type { Workspace } from "../lab/workspace.ts";

export interface DaemonNode {
  readonly root: string;
  readonly mirror: FaultyServer;
  readonly upstream: FaultyServer;
  readonly config: string;
  /** Waits for the hosts.toml of a registry. */
  hosts(wanted: RegExp, registry?: string): Promise<string | null>;
  start(options?: { config?: string | null; env?: Record<string, string> }): Promise<LabAgent>;
}

export async function makeNode(workspace: Workspace): Promise<DaemonNode> {
  const root = await workspace.folder("root");
  const [mirror, upstream] = await Promise.all([startFaultyServer(), startFaultyServer()]);
  workspace.onEnd(() => Promise.all([mirror.close(), upstream.close()]).then(() => {}));
  const config = configFor(mirror, upstream);
  return {
    root,
    mirror,
    upstream,
    config,
    hosts: (wanted, registry = "gcr.io") =>
      untilFile(hostsToml(root, registry), {
        root,
        wanted: (text) => wanted.test(text ?? ""),
      }),
    start: (options = {}) => startAgent(workspace, { root, config, ...options }),
  };
}

export function configFor(mirror: FaultyServer, upstream: FaultyServer, hosts = "[gcr.io]"): string {
  const probe = "{ interval: 500ms, timeout: 500ms }";
  const upstreams = `{ gcr.io: { endpoint: "${upstream.url}" } }`;
  return `registryMirrors:\n  - { endpoint: "${mirror.url}", hosts: ${hosts} }\nagent: { probe: ${probe}, upstreams: ${upstreams} }\n`;
}

export const hostsToml = (root: string, registry: string) =>
  join(root, "etc/containerd/certs.d", registry, "hosts.toml");
export const viaMirror = /^\[host\."http/m;
export const viaUpstream = /^\[host\]$/m;
