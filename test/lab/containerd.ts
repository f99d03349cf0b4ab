// A real containerd beside the others, laid out so that its folder is what `--root` wants: config.toml and
// certs.d in etc/containerd, the socket in run/containerd. Images are pulled over the CRI, as kubelet does,
// because `ctr` never reads config_path.

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CriClient, CriError } from "../../src/node/cri.ts";
import { type Daemon, PATIENCE_MS, startDaemon } from "./daemon.ts";
import { endContainers } from "./end-containers.ts";
import { type ContainerdVersion, containerdFolder, runcFolder } from "./parts.ts";
import type { Workspace } from "./workspace.ts";

export interface Containerd {
  readonly version: ContainerdVersion;
  /** For `--root`. */
  readonly dir: string;
  readonly binary: string;
  readonly socket: string;
  readonly configPath: string;
  readonly certsDir: string;
  readonly pid: number;
  /** What it logged since its last start. */
  readonly log: readonly string[];
  readonly cri: CriClient;
  /** Writes certs.d/REGISTRY/hosts.toml. */
  writeHosts(registry: string, toml: string): Promise<void>;
  /** Starts it again with the config.toml that is there now; containers live on. */
  restart(): Promise<void>;
  /** Ends it, not its containers. */
  stop(): Promise<void>;
}

export interface ContainerdOptions {
  readonly version: ContainerdVersion;
  /** Bytes of config.toml; null for none at all; by default a version 2 file that sets config_path. */
  readonly configToml?: string | null;
  readonly env?: Readonly<Record<string, string>>;
  /** False for a config with which the CRI plugin does not load: then only "booted" is waited for. */
  readonly waitForCri?: boolean;
}

/** Resolves when the CRI answers. */
export async function startContainerd(workspace: Workspace, options: ContainerdOptions): Promise<Containerd> {
  const dir = await workspace.folder(`containerd-${options.version}-${crypto.randomUUID().slice(0, 8)}`);
  const paths = await layOut(dir, options);
  const socket = join(dir, "run/containerd/containerd.sock");
  const binary = join(containerdFolder(options.version), "containerd");
  const cri = new CriClient(socket);
  const start = () => startAndWait({ binary, dir, socket, cri, options });

  let daemon = await start();
  workspace.onEnd(async () => {
    cri.close();
    await endContainers(socket);
    await daemon.stop();
  });
  return {
    version: options.version,
    dir,
    binary,
    socket,
    ...paths,
    cri,
    get pid() {
      return daemon.pid;
    },
    get log() {
      return daemon.lines;
    },
    async writeHosts(registry, toml) {
      await mkdir(join(paths.certsDir, registry), { recursive: true });
      await writeFile(join(paths.certsDir, registry, "hosts.toml"), toml);
    },
    async restart() {
      await daemon.stop();
      daemon = await start();
    },
    stop: () => daemon.stop(),
  };
}

/** Removes an image with its blobs and half-done downloads, so that the next pull fetches everything again. */
export async function forgetImage(containerd: Pick<Containerd, "cri" | "dir">, image: string): Promise<void> {
  // The CRI deletes the last name synchronously, which collects the blobs too.
  await containerd.cri.removeImage(image);
  const halfDone = join(containerd.dir, "var/lib/containerd/io.containerd.content.v1.content/ingest");
  const rmOptions = { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }; // a cancelled pull may still write
  for (const name of await readdir(halfDone)) await rm(join(halfDone, name), rmOptions);
}

async function layOut(dir: string, { configToml }: ContainerdOptions) {
  const configPath = join(dir, "etc/containerd/config.toml");
  const certsDir = join(dir, "etc/containerd/certs.d");
  await mkdir(certsDir, { recursive: true });
  await mkdir(join(dir, "run/containerd"), { recursive: true });
  if (configToml !== null) await writeFile(configPath, configToml ?? defaultConfig(dir, certsDir));
  return { configPath, certsDir };
}

// NRI and opt would otherwise use paths that every containerd on the machine shares.
function defaultConfig(dir: string, certsDir: string): string {
  return `version = 2

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "${certsDir}"

[plugins."io.containerd.nri.v1.nri"]
  disable = true

[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
`;
}

interface Start {
  readonly binary: string;
  readonly dir: string;
  readonly socket: string;
  readonly cri: CriClient;
  readonly options: ContainerdOptions;
}

async function startAndWait({ binary, dir, socket, cri, options }: Start): Promise<Daemon> {
  const config = join(dir, "etc/containerd/config.toml");
  const places = ["--root", join(dir, "var/lib/containerd"), "--state", join(dir, "run/containerd")];
  // Its own folder comes first in PATH, so that it finds the shim of its version.
  const path = [containerdFolder(options.version), runcFolder, process.env.PATH].join(":");
  const daemon = await startDaemon([binary, "--config", config, "--address", socket, ...places], {
    env: { PATH: path, ...options.env },
    ownMounts: true,
  });
  try {
    await daemon.waitForLine((line) => line.includes("containerd successfully booted"));
    if (options.waitForCri !== false) await waitForCri(cri, daemon);
  } catch (error) {
    await daemon.kill();
    throw error;
  }
  return daemon;
}

// The socket answers a moment before the CRI has recovered its state ("server is not initialized yet").
async function waitForCri(cri: CriClient, daemon: Daemon): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return void (await cri.listImages({ timeoutMs: 2000 }));
    } catch (error) {
      if (!(error instanceof CriError) || Date.now() > deadline) {
        throw new Error(`containerd's CRI does not answer:\n${daemon.lines.slice(-20).join("\n")}`, { cause: error });
      }
      await delay(10);
    }
  }
}
