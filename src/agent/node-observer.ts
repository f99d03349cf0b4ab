// Looks at the node for a pass. Files are read each time; containerd is asked again only when another
// daemon serves the socket or its configuration changed, since asking runs programs.

import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import { planTakeover, type TakeoverMemory } from "../core/containerd-config/plan-takeover.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type NodePaths, nodePaths } from "../core/node-paths.ts";
import { type ProxyEnvironment, readProxyEnvironment } from "../core/proxy.ts";
import { observeContainerd } from "../node/containerd.ts";
import { findIdentity } from "../node/containerd-daemon.ts";
import { statIfThere } from "../node/files.ts";
import { readProcessEnvironment } from "../node/process-environment.ts";
import { observeFiles } from "./node-files.ts";
import type { ObservedNode } from "./reconcile.ts";

export interface NodePlace {
  readonly root: string;
  readonly configFile: string | null;
}

interface Seen {
  readonly stamp: string;
  readonly observed: ObservedContainerd;
  readonly proxy: ProxyEnvironment | null;
}

const NOTHING_REMEMBERED: TakeoverMemory = { inEffect: null, failed: null };

export class NodeObserver {
  readonly #place: NodePlace;
  #containerd: Seen | null = null;

  constructor(place: NodePlace) {
    this.#place = place;
  }

  /** Where everything is for this config. */
  pathsOf(config: MirrorConfig): NodePaths {
    return nodePaths(this.#place.root, this.#place.configFile, config.agent.containerd);
  }

  /** The proxy variables of the containerd that was last seen running; null if there was none to ask. */
  get proxy(): ProxyEnvironment | null {
    return this.#containerd?.proxy ?? null;
  }

  /** The node as it is now. */
  async observe(config: MirrorConfig, signal: AbortSignal): Promise<ObservedNode> {
    const paths = this.pathsOf(config);
    const [files, containerd] = await Promise.all([observeFiles(paths), this.#observeContainerd(config, signal)]);
    const wish = { certsDir: paths.certsDir, restart: config.agent.containerd.restart };
    return {
      ...files,
      certsDir: paths.certsDir,
      tlsDir: paths.tlsDir,
      containerdVersion: containerd.daemon?.version ?? containerd.version,
      takeover: planTakeover(containerd, wish, NOTHING_REMEMBERED),
    };
  }

  async #observeContainerd(config: MirrorConfig, signal: AbortSignal): Promise<ObservedContainerd> {
    const { configPath, binary } = config.agent.containerd;
    const { containerdSocket: socket, containerdConfig } = this.pathsOf(config);
    // Under a root the daemon is another's, and may not run yet; on the host its own --config counts.
    const places = { socket, binary, configPath: configPath ?? (this.#place.root === "" ? null : containerdConfig) };
    const stamp = JSON.stringify([places, await findIdentity(socket), await this.#stampFiles(containerdConfig)]);
    if (this.#containerd?.stamp === stamp) return this.#containerd.observed;
    const observed = await observeContainerd(places, signal);
    const environment = observed.daemon && (await readProcessEnvironment(observed.daemon.pid));
    this.#containerd = { stamp, observed, proxy: environment && readProxyEnvironment(environment) };
    return observed;
  }

  async #stampFiles(rootPath: string): Promise<readonly (number | undefined)[]> {
    const known = this.#containerd?.observed.config?.files.map(({ path }) => path) ?? [];
    const stats = await Promise.all([rootPath, ...known].map(statIfThere));
    return stats.flatMap((stat) => [stat?.mtimeMs, stat?.ino, stat?.size]);
  }
}
