// Packets to a port of 127.0.0.1 vanish, as behind a firewall that drops them: connections neither succeed
// nor fail, and what is open goes silent.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Workspace } from "./workspace.ts";

const MARK = "mirror-agent-lab-";

export interface BlackHole {
  /** Lets packets through again. */
  close(): Promise<void>;
}

/** Resolves when the port is silent; ends with the workspace at the latest. */
export async function openBlackHole(workspace: Workspace, port: number): Promise<BlackHole> {
  await removeAbandonedRules();
  const rules = ["--dport", "--sport"].map((end) => [
    ...["INPUT", "-i", "lo", "-p", "tcp", end, String(port)],
    ...["-m", "comment", "--comment", `${MARK}${process.pid}`, "-j", "DROP"],
  ]);
  for (const rule of rules) await iptables(["-I", ...rule]);
  const close = async () => {
    for (const rule of rules.splice(0)) await iptables(["-D", ...rule]);
  };
  workspace.onEnd(close);
  return { close };
}

// A test that was killed could not remove its own.
async function removeAbandonedRules(): Promise<void> {
  for (const line of (await iptables(["-S", "INPUT"])).split("\n")) {
    const pid = RegExp(`${MARK}(\\d+)`).exec(line)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await iptables(["-D", ...line.split(" ").slice(1)]).catch(() => "");
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function iptables(args: readonly string[]): Promise<string> {
  return (await promisify(execFile)("iptables", ["--wait", "10", ...args])).stdout;
}
