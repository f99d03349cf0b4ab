// Runs commands and measures them from outside: time, the largest resident memory, and the space of files that they
// hold open without a name, which is where a package is unpacked.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

export interface Measured {
  readonly seconds: number;
  /** Of the largest of the commands. */
  readonly peakMiB: number;
  readonly unnamedBytes: number;
}

/** Runs commands one after the other. Throws if one fails. */
export async function measureRuns(commands: readonly (readonly string[])[]): Promise<Measured> {
  const peak = { kiB: 0, bytes: 0 };
  const start = performance.now();
  for (const [program = "", ...args] of commands) {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    const look = setInterval(() => lookAt(child.pid ?? 0, peak), 20);
    const [code] = await once(child, "close");
    clearInterval(look);
    if (code !== 0) throw new Error(`"${program} ${args.join(" ")}" ended with ${code}: ${said}`);
  }
  return { seconds: (performance.now() - start) / 1000, peakMiB: peak.kiB / 1024, unnamedBytes: peak.bytes };
}

function lookAt(pid: number, peak: { kiB: number; bytes: number }): void {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    peak.kiB = Math.max(peak.kiB, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0));
    peak.bytes = Math.max(peak.bytes, unnamedBytes(pid));
  } catch {
    // It ended in between.
  }
}

/** Each file once, however often it is open. */
function unnamedBytes(pid: number): number {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  const unnamed = open.filter((path) => readlinkSync(path).endsWith(" (deleted)")).map((path) => statSync(path));
  const files = new Map(unnamed.map((file) => [file.ino, file.blocks * 512]));
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}
