// Reads a small file that an operator named, whatever it turns out to be: a directory, a pipe that nobody
// writes to, or gigabytes must not hang or sink the agent.

import { constants } from "node:fs";
import { open } from "node:fs/promises";

export type SmallFile = { readonly text: string; readonly mode: number } | { readonly problem: string };

/** The text of a regular file of at most `maxBytes`, or one clause about why there is none: "no such file". */
export async function readSmallFile(path: string, maxBytes: number): Promise<SmallFile> {
  try {
    // Without O_NONBLOCK a pipe under that name would hold a thread for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (stats.isDirectory()) return { problem: "it is a directory" };
    if (!stats.isFile()) return { problem: "it is no regular file" };
    if (stats.size > maxBytes) return { problem: `${stats.size} bytes are too many, expected at most ${maxBytes}` };
    return { text: await file.readFile("utf8"), mode: stats.mode };
  } catch (error) {
    return { problem: reasonOf(error) };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOTDIR: "a part of its path is no directory",
  ELOOP: "its links lead in a circle",
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return REASONS[code] ?? code;
}
