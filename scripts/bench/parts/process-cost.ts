// What a process costs, as the kernel counts it.

import { readdirSync, readFileSync } from "node:fs";

export interface Memory {
  readonly rssMiB: number;
  /** Not shared with any other process, nor backed by a file: what the machine is poorer by. */
  readonly anonymousMiB: number;
  readonly pssMiB: number;
}

/** CPU time of all its threads so far, to the nanosecond; /proc/PID/stat counts in steps of 10 ms. */
export function readCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const sums = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]));
  return sums.reduce((a, b) => a + b, 0) / 1e6;
}

export function readMemory(pid: number): Memory {
  return parseMemory(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
}

/** From the text of /proc/PID/smaps_rollup. */
export function parseMemory(text: string): Memory {
  const mib = (name: string): number =>
    Math.round((Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024) * 10) / 10;
  return { rssMiB: mib("Rss"), anonymousMiB: mib("Anonymous"), pssMiB: mib("Pss") };
}
