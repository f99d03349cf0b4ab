// Remembers which folders were not there before the agent, so that they can go again with it.
//
// Invariants:
// 1. A folder is remembered before it is made: what is not remembered is not ours.
// 2. Only empty folders are removed: what others put there meanwhile stays, and its folder with it.

import { rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing, readTextIfThere, statIfThere, writeFileAtomic } from "./files.ts";

/** Remembers `folder` and those above it, as far as they are missing. */
export async function rememberMissingFolders(stateDir: string, folder: string): Promise<void> {
  const missing: string[] = [];
  for (let path = folder; (await statIfThere(path)) === null; path = dirname(path)) missing.push(path);
  if (missing.length === 0) return;
  const folders = [...new Set([...(await readFolders(stateDir)), ...missing])];
  await writeFileAtomic(pathOf(stateDir), `${JSON.stringify({ schema: 1, folders })}\n`, { mode: 0o600 });
}

/** Removes those that are empty. */
export async function removeMadeFolders(stateDir: string): Promise<void> {
  const deepestFirst = (await readFolders(stateDir)).toSorted((a, b) => b.length - a.length);
  for (const folder of deepestFirst) await rmdir(folder).catch(ignoreInUse);
}

async function readFolders(stateDir: string): Promise<readonly string[]> {
  const text = await readTextIfThere(pathOf(stateDir));
  return text === null ? [] : (JSON.parse(text) as { folders: string[] }).folders;
}

function pathOf(stateDir: string): string {
  return `${stateDir}/folders.json`;
}

function ignoreInUse(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST" && !isMissing(error)) throw error;
}
