// Finds the containerd that serves a socket, and asks /proc, systemd and the CRI about it. The socket decides, not a
// unit's name: a node may have several containerds, and one under test is no unit at all.

import { execFile } from "node:child_process";
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { promisify } from "node:util";
import type { DaemonUnit } from "../core/containerd-config/observed-containerd.ts";
import { isMissing, readTextIfThere } from "./files.ts";

export interface FoundDaemon {
  readonly identity: string;
  readonly pid: number;
  readonly startedAtMs: number;
  /** The program on disk, also if it was replaced since; null if it cannot be told. */
  readonly binary: string | null;
  readonly configPath: string;
  readonly workingFolder: string;
  readonly unit: DaemonUnit | null;
}

const DEFAULT_CONFIG = "/etc/containerd/config.toml";
/** The kernel's USER_HZ, which is 100 on every platform that Linux shows to programs. */
const TICK_MS = 10;

/** The daemon that listens at `socket`; null if none does. */
export async function findDaemon(socket: string, signal: AbortSignal): Promise<FoundDaemon | null> {
  const pid = await findListener(socket);
  if (pid === null) return null;
  const [identity, startedAtMs, args] = await Promise.all([
    readIdentity(pid),
    readStartedAtMs(pid),
    readArguments(pid),
  ]);
  if (identity === null || startedAtMs === null) return null;
  const exe = await readlink(`/proc/${pid}/exe`).catch(() => null);
  const named = args[0]?.startsWith("/") ? args[0] : null;
  return {
    identity,
    pid,
    startedAtMs,
    binary: exe?.replace(/ \(deleted\)$/, "") ?? named,
    configPath: optionIn(args, ["--config", "-c"]) ?? DEFAULT_CONFIG,
    workingFolder: await readlink(`/proc/${pid}/cwd`).catch(() => "/"),
    unit: await readUnit(pid, signal),
  };
}

/** Names the process: its id alone comes again, its start within one boot of the machine does not. */
export async function readIdentity(pid: number): Promise<string | null> {
  const ticks = await readStartTicks(pid);
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return ticks === null ? null : `${boot}:${pid}:${ticks}`;
}

/** The identity of the daemon at `socket` alone, without asking anybody else. */
export async function findIdentity(socket: string): Promise<string | null> {
  const pid = await findListener(socket);
  return pid === null ? null : readIdentity(pid);
}

/** The process id of the daemon at `socket`; null if none listens there. */
export async function findListener(socket: string): Promise<number | null> {
  const inode = await findSocketInode(socket);
  if (inode === null) return null;
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // Looking into every process of a full node takes a tenth of a second; containerd's has its name.
    const comm = await readTextIfThere(`/proc/${name}/comm`).catch(() => null);
    if (comm?.trim() === "containerd" && (await isListener(Number(name), { inode, socket }))) return Number(name);
  }
  return null;
}

// One line a socket: ... flags type state inode path. SO_ACCEPTCON (0x10000) marks a listener.
async function findSocketInode(socket: string): Promise<string | null> {
  const wanted = new Set([socket, await realpath(socket).catch(() => socket)]);
  const lines = (await readFile("/proc/net/unix", "utf8")).split("\n");
  const found = lines
    .map((line) => line.trim().split(/\s+/))
    .find(([, , , flags, , , , path]) => {
      return path !== undefined && wanted.has(path) && (Number.parseInt(flags ?? "0", 16) & 0x10000) !== 0;
    });
  return found?.[6] ?? null;
}

async function isListener(pid: number, { inode, socket }: { inode: string; socket: string }): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => null)));
  if (links.some((link) => link !== null)) return links.includes(`socket:[${inode}]`);
  // Without CAP_SYS_PTRACE another's descriptors are hidden, or listed without what they are; then its name has to do,
  // and its address if it has one.
  const args = await readArguments(pid);
  if (args.length === 0) return false; // it has ended, and nobody has asked how
  const address = optionIn(args, ["--address", "-a"]);
  return address === null || address === socket;
}

async function readStartTicks(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold anything; the start is the 20th field after it.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === "ESRCH") return null;
    throw error;
  }
}

async function readStartedAtMs(pid: number): Promise<number | null> {
  const ticks = await readStartTicks(pid);
  const uptimeS = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]);
  return ticks === null ? null : Date.now() - (uptimeS * 1000 - ticks * TICK_MS);
}

async function readArguments(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text.split("\0").slice(0, -1);
}

function optionIn(args: readonly string[], names: readonly string[]): string | null {
  for (const [index, arg] of args.entries()) {
    const [name = "", value] = arg.split(/=(.*)/s);
    if (names.includes(name)) return value ?? args[index + 1] ?? null;
  }
  return null;
}

async function readUnit(pid: number, signal: AbortSignal): Promise<DaemonUnit | null> {
  const cgroup = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  const name = /\/([^/\n]+\.service)(?:\/|$)/m.exec(cgroup)?.[1];
  if (name === undefined) return null;
  const args = ["show", name, "--property=MainPID", "--property=KillMode"];
  const asked = await promisify(execFile)("systemctl", args, { signal }).catch(() => ({ stdout: "" }));
  signal.throwIfAborted();
  const answers = Object.fromEntries(asked.stdout.split("\n").map((line) => line.split("=", 2)));
  return answers.MainPID === String(pid) ? { name, killMode: answers.KillMode ?? "" } : null;
}
