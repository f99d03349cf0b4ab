// Reads containerd's certs.d and our TLS copies as they are now.

import { readdir, readFile, stat } from "node:fs/promises";
import type { HaveFile } from "../core/plan-actions.ts";
import { isMissing, TEMPORARY_PREFIX } from "./files.ts";

export interface CertsDirState {
  readonly folders: ReadonlySet<string>;
  readonly hostsFiles: ReadonlyMap<string, HaveFile>;
}

/** Every registry's folder in `certsDir` and every hosts.toml in them; nothing if the folder is not there. */
export async function observeCertsDir(certsDir: string): Promise<CertsDirState> {
  const folders = (await namesIn(certsDir)).filter((name) => !name.startsWith(TEMPORARY_PREFIX));
  return {
    folders: new Set(folders),
    hostsFiles: await readFiles(folders.map((name) => `${certsDir}/${name}/hosts.toml`)),
  };
}

/** The files directly in `folder`. */
export async function observeFolder(folder: string): Promise<ReadonlyMap<string, HaveFile>> {
  const names = (await namesIn(folder)).filter((name) => !name.startsWith(TEMPORARY_PREFIX));
  return readFiles(names.map((name) => `${folder}/${name}`));
}

async function readFiles(paths: readonly string[]): Promise<Map<string, HaveFile>> {
  const files = await Promise.all(paths.map(async (path) => [path, await readOne(path)] as const));
  return new Map(files.filter((entry): entry is [string, HaveFile] => entry[1] !== null));
}

async function readOne(path: string): Promise<HaveFile | null> {
  try {
    const [text, { mode }] = await Promise.all([readFile(path, "utf8"), stat(path)]);
    return { text, mode: mode & 0o7777 };
  } catch (error) {
    if (isMissing(error)) return null;
    throw new Error(`Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
}
