// The host's own facts for `doctor`: space, inodes, inotify, what the kernel can do, who runs. systeminformation knows
// the system and its file systems; inodes and inotify it does not, and for the names of all programs it takes a second
// (it measures their load), so for these the kernel is asked.

import { readdir, readFile, readlink, stat, statfs } from "node:fs/promises";
import { release } from "node:os";
import { dirname } from "node:path";
import { gunzipSync } from "node:zlib";
import type { DiskFacts, HostFacts, InotifyFacts } from "../core/doctor/facts.ts";
import { readTextIfThere } from "./files.ts";

/** What other tools leave behind, below the host's root. */
const TRACES = ["/etc/dragonfly/dfinit.yaml", "/etc/dragonfly/dfdaemon.yaml", "/etc/nvcf", "/var/lib/nvcf"];

export interface HostFactsOptions {
  /** What space is needed for. */
  readonly paths: readonly string[];
  readonly root: string;
  readonly certsDir: string;
}

/** Observes the host; what cannot be found out is null. */
export async function observeHost({ paths, root, certsDir }: HostFactsOptions): Promise<HostFacts> {
  const { default: si } = await import("systeminformation");
  const [os, sizes] = await Promise.all([si.osInfo(), si.fsSize()]);
  const traces = [...TRACES.map((path) => `${root}${path}`), `${certsDir}/_backup`];
  return {
    system: `${os.distro} ${os.release}, kernel ${os.kernel}`,
    disks: await Promise.all(paths.map((path) => observeDisk(path, sizes))),
    inotify: await observeInotify(),
    kernel: release(),
    canAbortSockets: await readKernelOption("CONFIG_INET_DIAG_DESTROY"),
    hasSs: await isAnywhere(["/usr/bin/ss", "/bin/ss", "/usr/sbin/ss", "/sbin/ss"]),
    programs: await readPrograms(),
    traces: (await Promise.all(traces.map(async (path) => ((await isThere(path)) ? [path] : [])))).flat(),
  };
}

interface FileSystem {
  readonly mount: string;
  readonly size: number;
  readonly available: number;
}

async function observeDisk(path: string, sizes: readonly FileSystem[]): Promise<DiskFacts> {
  const there = await findExisting(path);
  const { files, ffree, bavail, blocks, bsize } = await statfs(there);
  // Overlays and containers have mounts that no list of file systems shows: then the kernel's figures hold.
  const mounted = sizes.find(({ mount }) => mount === there);
  return {
    path,
    freeBytes: mounted?.available ?? bavail * bsize,
    totalBytes: mounted?.size ?? blocks * bsize,
    freeInodes: ffree,
    totalInodes: files,
  };
}

async function findExisting(path: string): Promise<string> {
  return (await isThere(path)) || path === "/" ? path : findExisting(dirname(path));
}

async function observeInotify(): Promise<InotifyFacts | null> {
  const read = async (name: string) => Number(await readTextIfThere(`/proc/sys/fs/inotify/${name}`));
  const [maxWatches, maxInstances] = await Promise.all([read("max_user_watches"), read("max_user_instances")]);
  if (!maxWatches || !maxInstances) return null;
  return { maxWatches, maxInstances, usedInstances: await countInstances() };
}

// The limit is for each user; the daemon's is root.
async function countInstances(): Promise<number> {
  const counts = await Promise.all((await readPids()).map(countOf));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function readPrograms(): Promise<string[]> {
  const names = (await readPids()).map((pid) => readTextIfThere(`/proc/${pid}/comm`).catch(() => null));
  return [...new Set((await Promise.all(names)).map((name) => name?.trim() ?? ""))].sort();
}

async function readPids(): Promise<string[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
}

async function countOf(pid: string): Promise<number> {
  const folder = `/proc/${pid}/fd`;
  const owner = await stat(`/proc/${pid}`).catch(() => null);
  if (owner?.uid !== 0) return 0;
  const fds = await readdir(folder).catch(() => []);
  const links = await Promise.all(fds.map((fd) => readlink(`${folder}/${fd}`).catch(() => "")));
  return links.filter((link) => link === "anon_inode:inotify").length;
}

async function readKernelOption(name: string): Promise<boolean | null> {
  const boot = await readTextIfThere(`/boot/config-${release()}`).catch(() => null);
  const packed = boot === null ? await readFile("/proc/config.gz").catch(() => null) : null;
  const text = boot ?? (packed === null ? null : gunzipSync(packed).toString("utf8"));
  return text === null ? null : new RegExp(`^${name}=[ym]$`, "m").test(text);
}

async function isAnywhere(paths: readonly string[]): Promise<boolean> {
  return (await Promise.all(paths.map(isThere))).includes(true);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
