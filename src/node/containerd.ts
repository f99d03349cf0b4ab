// Observes the node's containerd: the daemon, the program that would be started next, and its configuration as that
// program reads it. Nothing here changes anything.

import type { ObservedContainerd, RunningDaemon } from "../core/containerd-config/observed-containerd.ts";
import { resolveConfig } from "../core/containerd-config/resolve-config.ts";
import { type ContainerdVersion, parseContainerdVersion } from "../core/containerd-config/versions.ts";
import { readBinaryVersion } from "./containerd-binary.ts";
import { type FoundDaemon, findDaemon } from "./containerd-daemon.ts";
import { readChangedAtMs, readConfigFiles } from "./containerd-files.ts";
import { statIfThere } from "./files.ts";

/** Null where the running daemon, or else the usual place, is to be taken. */
export interface ContainerdPlaces {
  readonly socket: string;
  readonly configPath: string | null;
  readonly binary: string | null;
}

const USUAL_BINARIES = ["/usr/bin/containerd", "/usr/local/bin/containerd", "/usr/sbin/containerd"];
const USUAL_CONFIG = "/etc/containerd/config.toml";
const CRI_TIMEOUT_MS = 5000;

/** What there is; throws only where this host itself does not answer. */
export async function observeContainerd(places: ContainerdPlaces, signal: AbortSignal): Promise<ObservedContainerd> {
  const found = await findDaemon(places.socket, signal);
  const binary = places.binary ?? found?.binary ?? (await findUsualBinary());
  const version = binary === null ? null : await readBinaryVersion(binary, signal);
  const rootPath = places.configPath ?? found?.configPath ?? USUAL_CONFIG;
  const workingFolder = found?.workingFolder ?? "/";
  const files = version === null ? [] : await readConfigFiles(rootPath, { version, workingFolder });
  return {
    socket: places.socket,
    daemon: found && (await describeDaemon(found, places.socket, signal)),
    binary,
    version,
    managedBy: findRancher([binary ?? "", rootPath, places.socket]),
    config: version === null ? null : resolveConfig(files, version),
    configChangedAtMs: await readChangedAtMs(files, Date.now()),
  };
}

/** Whether the CRI serves pulls; null if it does, else why not. A plugin that failed to load answers nothing. */
export async function findCriProblem(socket: string, signal: AbortSignal): Promise<string | null> {
  return (await askCri(socket, signal)).problem;
}

async function describeDaemon(found: FoundDaemon, socket: string, signal: AbortSignal): Promise<RunningDaemon> {
  const { identity, pid, startedAtMs, unit, workingFolder } = found;
  const { version, problem } = await askCri(socket, signal);
  return { identity, pid, startedAtMs, unit, workingFolder, version, criProblem: problem };
}

async function askCri(
  socket: string,
  signal: AbortSignal,
): Promise<{ version: ContainerdVersion | null; problem: string | null }> {
  const { CriClient, CriError } = await import("./cri.ts");
  const cri = new CriClient(socket);
  try {
    const { runtimeVersion } = await cri.version({ timeoutMs: CRI_TIMEOUT_MS, signal });
    // The image service is a plugin of its own since 2.0, and the one that reads config_path.
    await cri.listImages({ timeoutMs: CRI_TIMEOUT_MS, signal });
    return { version: parseContainerdVersion(runtimeVersion), problem: null };
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    return { version: null, problem: error.message };
  } finally {
    cri.close();
  }
}

async function findUsualBinary(): Promise<string | null> {
  for (const path of USUAL_BINARIES) if (await statIfThere(path)) return path;
  return null;
}

// Both run containerd out of their own data folder; RKE2 uses k3s's socket.
function findRancher(paths: readonly string[]): "k3s" | "rke2" | null {
  if (paths.some((path) => path.includes("/rancher/rke2/"))) return "rke2";
  return paths.some((path) => path.includes("/rancher/k3s/") || path.includes("/run/k3s/")) ? "k3s" : null;
}
