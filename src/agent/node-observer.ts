// Looks at the node for a pass. Files are read each time; containerd is asked again only when another
// daemon serves the socket or its configuration changed, since asking runs programs.

import { chooseCertsDir } from "../core/containerd-config/certs-dir.ts";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import type { AuthWishes } from "../core/containerd-config/plan-auths.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type NodePaths, nodePaths } from "../core/node-paths.ts";
import { type ProxyEnvironment, readProxyEnvironment } from "../core/proxy.ts";
import { observeContainerd } from "../node/containerd.ts";
import { ContainerdBinaryError } from "../node/containerd-binary.ts";
import { findIdentity } from "../node/containerd-daemon.ts";
import { statIfThere } from "../node/files.ts";
import { readProcessEnvironment } from "../node/process-environment.ts";
import { RestartMemoryError, readRemembered } from "../node/restart-memory.ts";
import { observeFiles } from "./node-files.ts";
import type { ObservedNode } from "./reconcile.ts";
import { compileTakeoverState, type TakeoverState, unknownTakeover } from "./takeover-state.ts";

export interface NodePlace {
  readonly root: string;
  readonly configFile: string | null;
}

export interface ContainerdLook {
  readonly observed: ObservedContainerd;
  /** The folder that its config_path has to name. */
  readonly certsDir: string;
}

type WishesOf = (observed: ObservedContainerd) => AuthWishes | undefined;

interface Seen extends ContainerdLook {
  readonly stamp: string;
  readonly proxy: ProxyEnvironment | null;
}

export class NodeObserver {
  readonly #place: NodePlace;
  #containerd: Seen | null = null;

  constructor(place: NodePlace) {
    this.#place = place;
  }

  /** Where everything is for this config. */
  pathsOf(config: MirrorConfig): NodePaths {
    const paths = nodePaths(this.#place.root, this.#place.configFile, config.agent.containerd);
    return { ...paths, certsDir: config.agent.containerd.certsDir ?? this.#containerd?.certsDir ?? paths.certsDir };
  }

  /** The proxy variables of the containerd that was last seen running; null if there was none to ask. */
  get proxy(): ProxyEnvironment | null {
    return this.#containerd?.proxy ?? null;
  }

  /** The files that containerd's configuration was last seen to be made of, the root first. */
  get containerdFiles(): readonly string[] {
    const config = this.#containerd?.observed.config;
    return config ? [...new Set([config.rootPath, ...config.files.map(({ path }) => path)])] : [];
  }

  /** The node as it is now; `wishesOf`: what config.toml has to hold for this containerd, if that is known. */
  async observe(config: MirrorConfig, wishesOf: WishesOf, signal: AbortSignal): Promise<ObservedNode> {
    const takeover = await this.#observeTakeover(config, wishesOf, signal);
    const paths = this.pathsOf(config);
    const observed = this.#containerd?.observed ?? null;
    return {
      ...(await observeFiles(paths)),
      certsDir: paths.certsDir,
      tlsDir: paths.tlsDir,
      containerdVersion: observed?.daemon?.version ?? observed?.version ?? null,
      takeover,
    };
  }

  /** Asks containerd anew. */
  async look(config: MirrorConfig, signal: AbortSignal): Promise<ContainerdLook> {
    const { socket, binary, configPath, stamp } = await this.#stamp(config);
    const observed = await observeContainerd({ socket, binary, configPath }, signal);
    const environment = observed.daemon && (await readProcessEnvironment(observed.daemon.pid));
    const certsDir = this.#chooseCertsDir(config, observed);
    // A CRI that does not answer yet will soon, and nothing on disk changes with that.
    const isWhole = observed.daemon === null || observed.daemon.criProblem === null;
    this.#containerd = {
      stamp: isWhole ? stamp : "",
      observed,
      certsDir,
      proxy: environment && readProxyEnvironment(environment),
    };
    return { observed, certsDir };
  }

  // Routes have to follow health also where containerd cannot be asked.
  async #observeTakeover(config: MirrorConfig, wishesOf: WishesOf, signal: AbortSignal): Promise<TakeoverState> {
    try {
      const { stamp } = await this.#stamp(config);
      const { observed, certsDir } =
        this.#containerd?.stamp === stamp ? this.#containerd : await this.look(config, signal);
      const remembered = await readRemembered(this.pathsOf(config).takeoverDir);
      const state = compileTakeoverState(observed, { config, certsDir, auths: wishesOf(observed) }, remembered);
      // What stands in the way may be mended where no file shows it: in a unit, for instance.
      if (state.plan.kind === "refused" && this.#containerd) this.#containerd = { ...this.#containerd, stamp: "" };
      return state;
    } catch (error) {
      if (error instanceof ContainerdBinaryError || error instanceof RestartMemoryError)
        return unknownTakeover(error.message);
      throw error;
    }
  }

  // Under a root the daemon is another's, and may not run yet; on the host its own --config counts.
  async #stamp(config: MirrorConfig) {
    const { configPath: wanted, binary, certsDir } = config.agent.containerd;
    const { containerdSocket: socket, containerdConfig } = this.pathsOf(config);
    const configPath = wanted ?? (this.#place.root === "" ? null : containerdConfig);
    const files = await Promise.all([containerdConfig, ...this.containerdFiles].map(stampFile));
    const stamp = JSON.stringify([socket, binary, configPath, certsDir, await findIdentity(socket), files]);
    return { socket, binary, configPath, stamp };
  }

  // A folder outside of the root is that of another containerd, also where a copied config.toml names it.
  #chooseCertsDir({ agent }: MirrorConfig, { config }: ObservedContainerd): string {
    const usual = nodePaths(this.#place.root, null, agent.containerd).certsDir;
    if (agent.containerd.certsDir !== null) return usual;
    const chosen = chooseCertsDir(config?.configPath ?? "", usual);
    return chosen.startsWith(`${this.#place.root}/`) ? chosen : usual;
  }
}

async function stampFile(path: string): Promise<string> {
  const stat = await statIfThere(path);
  return stat ? `${path} ${stat.ino} ${stat.size} ${stat.ctimeMs}` : path;
}
