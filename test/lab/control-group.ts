// A control group for each machine. systemd-nspawn makes a machine's root in the group that it is started in: machines
// that are started in one have the same root. Each then removes groups in which another is just about to start a
// service of that name, which fails (219/CGROUP), and cannot kill what is in its own ("Input/output error").

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Workspace } from "./workspace.ts";

const MARK = "ma-machine";

/** Where a process writes its id to be in the group, which goes with the workspace; nothing where none can be made. */
export async function openControlGroup(workspace: Workspace, name: string): Promise<readonly string[]> {
  const made: string[] = [];
  for (const parent of await findParents()) {
    await removeAbandoned(parent);
    const folder = join(parent, `${MARK}-${process.pid}-${name}`);
    if (await mkdir(folder, { recursive: true }).then(isTrue, isFalse)) made.push(folder);
  }
  workspace.onEnd(async () => {
    for (const folder of made) await removeTree(folder);
  });
  return made.map((folder) => join(folder, "cgroup.procs"));
}

const isTrue = () => true;
const isFalse = () => false;

// Our own groups in the trees that systemd keeps services in: the second version's, and one of the first's.
async function findParents(): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/cgroup", "utf8")).split("\n");
  const isPure = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const trees = { "": isPure ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified", "name=systemd": "/sys/fs/cgroup/systemd" };
  return lines.flatMap((line) => {
    const [, kind = "-", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const tree = trees[kind as keyof typeof trees];
    return tree !== undefined && existsSync(join(tree, path)) ? [join(tree, path)] : [];
  });
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = RegExp(`^${MARK}-(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    // A killed test may leave its machine running.
    await writeFile(join(parent, name, "cgroup.kill"), "1").catch(() => {});
    await removeTree(join(parent, name));
  }
}

// What is still busy, somebody removes later.
async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder).catch(() => {});
}
