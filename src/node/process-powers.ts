// What a running program is permitted to do, from its capabilities (proc(5), CapEff): a unit's sandbox takes away what
// root has elsewhere, so that what works in a shell proves nothing for a service.

import { readFile } from "node:fs/promises";

// linux/capability.h
const CAP_SYS_PTRACE = 19n;

/** Whether it may find out whose a connection is; null where it is gone or hidden. */
export async function maySeeDescriptors(pid: number): Promise<boolean | null> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(text)?.[1];
  if (digits === undefined) return null;
  return (BigInt(`0x${digits}`) >> CAP_SYS_PTRACE) % 2n === 1n;
}

/** The daemon of the agent, from the lock that it holds; null where none runs. */
export async function findAgentPid(lockPath: string): Promise<number | null> {
  const text = await readFile(lockPath, "utf8").catch(() => "");
  const pid = /^mirror-agent run, pid (\d+)$/m.exec(text)?.[1];
  if (pid === undefined) return null;
  // The text stays when the agent ends, and the number may be another's since.
  const args = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  return args.includes("run") ? Number(pid) : null;
}
