// This node for a command that looks and changes nothing: `explain` and `doctor` work beside a running agent, without
// one, and with a config that is not valid.

import { arch } from "node:os";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import { type NodePaths, nodePaths } from "../core/node-paths.ts";
import { type ProxyEnvironment, readProxyEnvironment } from "../core/proxy.ts";
import { observeContainerd } from "../node/containerd.ts";
import { readTextIfThere } from "../node/files.ts";
import { readProcessEnvironment } from "../node/process-environment.ts";
import { NOTHING_REMEMBERED, type Remembered } from "../node/restart-memory.ts";
import { HttpClient } from "../registry/http-client.ts";
import { type LoadedConfig, loadConfig } from "./load-config.ts";

export interface NodeView extends AsyncDisposable {
  readonly paths: NodePaths;
  readonly loaded: LoadedConfig;
  readonly observed: ObservedContainerd;
  readonly remembered: Remembered;
  readonly inEffect: Remembered["inEffect"];
  /** containerd's own, or ours where it does not run. */
  readonly proxy: ProxyEnvironment;
  readonly client: HttpClient;
  /** In Go's words: "amd64". */
  readonly architecture: string;
  /** How long a server has for each answer. */
  readonly timeoutMs: number;
}

export interface ObserveOptions {
  readonly root: string;
  readonly configFile: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly nowMs: () => number;
}

const TIMEOUT_MS = 5000;
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** Looks at the node once. */
export async function observeNode(options: ObserveOptions, signal: AbortSignal): Promise<NodeView> {
  const { root, configFile, env, nowMs } = options;
  const loaded = await loadConfig(nodePaths(root, configFile, null).config, nowMs());
  const settings = loaded.config?.agent.containerd ?? null;
  const paths = nodePaths(root, configFile, settings);
  const configPath = settings?.configPath ?? (root === "" ? null : paths.containerdConfig);
  const places = { socket: paths.containerdSocket, binary: settings?.binary ?? null, configPath };
  const observed = await observeContainerd(places, signal);
  const environment = observed.daemon && (await readProcessEnvironment(observed.daemon.pid));
  const remembered = await readRemembered(paths.takeoverDir);
  const client = new HttpClient();
  return {
    paths,
    loaded,
    observed,
    remembered,
    inEffect: remembered.inEffect,
    proxy: readProxyEnvironment(environment ?? env),
    client,
    architecture: GO_ARCHITECTURES[arch()] ?? arch(),
    timeoutMs: TIMEOUT_MS,
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

// Not through RestartMemory: that makes the folder, and a file that it cannot read is something to tell here.
async function readRemembered(folder: string): Promise<Remembered> {
  try {
    const text = await readTextIfThere(`${folder}/containerd.json`);
    return text === null ? NOTHING_REMEMBERED : { ...NOTHING_REMEMBERED, ...(JSON.parse(text) as Remembered) };
  } catch {
    return { ...NOTHING_REMEMBERED, failed: { key: "", because: `"${folder}/containerd.json" cannot be read` } };
  }
}
