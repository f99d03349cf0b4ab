// Containers outlive their containerd: a shim each stays and holds them. Those of one containerd are told
// by its socket in their arguments.

import { readdir, readFile } from "node:fs/promises";

/** Ends every container that was started through the containerd at that socket. */
export async function endContainers(socket: string): Promise<void> {
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const args = (await readOrEmpty(`/proc/${pid}/cmdline`)).split("\0");
    if (!args[0]?.includes("containerd-shim") || !args.includes(socket)) continue;
    const children = await readOrEmpty(`/proc/${pid}/task/${pid}/children`);
    for (const child of children.split(" ").filter(Boolean)) end(Number(child));
    end(Number(pid));
  }
}

async function readOrEmpty(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => ""); // the process has ended meanwhile
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {} // it has ended by itself
}
