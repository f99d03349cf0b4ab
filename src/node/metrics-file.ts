// The file that node-exporter's textfile collector reads: whole at every instant, readable by all. The collector's
// folder usually belongs to another account, so nothing in it is trusted: a link there is replaced, not followed.

import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing, removeFile, removeTemporaries, statIfThere, writeFileAtomic } from "./files.ts";

/** The first line of a file of ours, which Prometheus passes over. */
export const METRICS_FILE_MARK = "# Written by mirror-agent";

/** Prepares writing there. Throws if the folder is missing or the file is another program's. */
export async function openMetricsFile(path: string): Promise<void> {
  const folder = dirname(path);
  // Not made: where it is missing, nobody would read the file, or a mistake of spelling would stay unseen.
  if (!(await statIfThere(folder))?.isDirectory()) throw new Error(`there is no folder "${folder}"`);
  if ((await readStart(path)) === "foreign") throw new Error(`"${path}" is there already, and not mirror-agent's`);
  await removeTemporaries(folder);
}

/** Replaces the file. */
export async function writeMetricsFile(path: string, metrics: string): Promise<void> {
  await writeFileAtomic(path, `${METRICS_FILE_MARK}\n${metrics}`, { mode: 0o644, link: "replace" });
}

/** Removes the file if it is ours; says whether it was. */
export async function removeMetricsFile(path: string): Promise<boolean> {
  return (await readStart(path)) === "ours" && (await removeFile(path));
}

// Without O_NONBLOCK a pipe in its place would be waited for.
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function readStart(path: string): Promise<"ours" | "foreign" | "none"> {
  try {
    await using file = await open(path, READ);
    if (!(await file.stat()).isFile()) return "foreign";
    const { buffer, bytesRead } = await file.read(Buffer.alloc(METRICS_FILE_MARK.length), { position: 0 });
    return buffer.subarray(0, bytesRead).toString() === METRICS_FILE_MARK ? "ours" : "foreign";
  } catch (error) {
    if (isMissing(error)) return "none";
    if ((error as NodeJS.ErrnoException).code === "ELOOP") return "foreign";
    throw error;
  }
}
