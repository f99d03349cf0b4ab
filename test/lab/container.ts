// A container that sleeps, to see whether it outlives a restart of its containerd.

import { execFile } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Containerd } from "./containerd.ts";
import type { Workspace } from "./workspace.ts";

const run = promisify(execFile);

/** The process id of the container's only process. */
export async function startContainer(workspace: Workspace, containerd: Containerd): Promise<number> {
  const id = `sleeper-${crypto.randomUUID()}`;
  const rootfs = await workspace.folder(id);
  // A root file system need hold no more than the program and the libraries that ldd lists.
  const { stdout } = await run("ldd", ["/bin/sleep"]);
  for (const path of ["/bin/sleep", ...(stdout.match(/\/\S+/g) ?? [])]) {
    await mkdir(dirname(join(rootfs, path)), { recursive: true });
    await copyFile(path, join(rootfs, path));
  }
  const ctr = (...args: string[]) =>
    run(join(dirname(containerd.binary), "ctr"), ["--address", containerd.socket, "--namespace", "lab", ...args]);
  await ctr("run", "--detach", "--null-io", "--rootfs", rootfs, id, "/bin/sleep", "600");
  workspace.onEnd(async () => {
    await ctr("tasks", "rm", "--force", id).catch(() => {}); // with its cgroup; endContainers() does what this cannot
  });
  const tasks = (await ctr("tasks", "ls")).stdout;
  return Number(RegExp(`^${id}\\s+(\\d+)\\s+RUNNING`, "m").exec(tasks)?.[1]);
}
