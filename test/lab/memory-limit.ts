// A limit of the kernel's for the memory of a process: what goes beyond it is killed, as on a machine that has no more.
// It is set from outside, since a machine of the laboratory has no memory controller of its own.

import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Workspace } from "./workspace.ts";

export interface MemoryLimit {
  /** From now on, what the process takes in addition counts. */
  add(pid: number): Promise<void>;
  /** How often the kernel has killed for it. */
  countKills(): Promise<number>;
}

const MARK = "ma-memory-";
// The first version of control groups, where there is one, holds the controller.
const V1 = { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", kills: "memory.oom_control" };
const V2 = { root: "/sys/fs/cgroup", limit: "memory.max", kills: "memory.events" };
const KIND = existsSync(`${V1.root}/${V1.limit}`) ? V1 : V2;

/** For `skip`: false, or why there is no limit to be had. */
export async function memoryLimitMissing(): Promise<string | false> {
  if (KIND === V1) return false;
  const controllers = await readFile(`${V2.root}/cgroup.subtree_control`, "utf8").catch(() => "");
  return controllers.includes("memory") ? false : "needs the memory controller of control groups";
}

export async function openMemoryLimit(workspace: Workspace, bytes: number): Promise<MemoryLimit> {
  await removeAbandoned();
  const folder = `${KIND.root}/${MARK}${process.pid}`;
  await mkdir(folder);
  workspace.onEnd(() => removeGroup(folder));
  await writeFile(`${folder}/${KIND.limit}`, String(bytes));
  return {
    add: (pid) => writeFile(`${folder}/cgroup.procs`, String(pid)),
    async countKills() {
      const text = await readFile(`${folder}/${KIND.kills}`, "utf8");
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    },
  };
}

// It is busy until the last process in it is gone altogether.
async function removeGroup(folder: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await delay(100)) {
    const failed = await rmdir(folder).catch((error: NodeJS.ErrnoException) => error);
    if (!failed) return;
    if (failed.code !== "EBUSY" || Date.now() > deadline) throw failed;
  }
}

async function removeAbandoned(): Promise<void> {
  const abandoned = readdirSync(KIND.root).filter(
    (name) => name.startsWith(MARK) && !existsSync(`/proc/${name.slice(MARK.length)}`),
  );
  for (const name of abandoned) await rmdir(`${KIND.root}/${name}`).catch(() => {});
}
