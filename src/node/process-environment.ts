// The environment that a running program was started with (proc(5)): containerd's proxy variables live there,
// whatever unit, drop-in or wrapper set them.

import { readFile } from "node:fs/promises";

/** The variables of a process; null where it is gone or hidden from us. */
export async function readProcessEnvironment(pid: number): Promise<Record<string, string> | null> {
  const text = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => null);
  if (text === null) return null;
  const pairs = text.split("\0").map((entry) => entry.split(/=(.*)/s));
  return Object.fromEntries(pairs.flatMap(([name, value]) => (name && value !== undefined ? [[name, value]] : [])));
}
