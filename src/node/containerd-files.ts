// Reads containerd's configuration with everything that it imports, in the order in which containerd loads it
// (cmd/containerd/server/config/config.go, LoadConfig): breadth first, each file once, globs sorted.

import { readdir, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize, sep } from "node:path";
import { compileGlobSegment, isGlob } from "../core/containerd-config/glob.ts";
import { type ConfigFile, findImports } from "../core/containerd-config/resolve-config.ts";
import { type ContainerdVersion, globsFromWorkingFolder } from "../core/containerd-config/versions.ts";
import { isMissing, readTextIfThere, statIfThere } from "./files.ts";

export interface ReadOptions {
  readonly version: ContainerdVersion;
  /** The daemon's; systemd starts services in "/". */
  readonly workingFolder: string;
}

/** The root file first; a file that is not there has no text. */
export async function readConfigFiles(rootPath: string, options: ReadOptions): Promise<readonly ConfigFile[]> {
  const files = new Map<string, ConfigFile>();
  const pending = [rootPath];
  for (let path = pending.shift(); path !== undefined; path = pending.shift()) {
    if (files.has(path)) continue;
    const [text, stats] = await Promise.all([readTextIfThere(path), statIfThere(path)]);
    files.set(path, { path, text, ...(stats && { mode: stats.mode & 0o7777 }) });
    for (const imported of findImports(text ?? "")) pending.push(...(await expandImport(imported, path, options)));
  }
  return [...files.values()];
}

/**
 * When one of the files, or a folder that is searched for them, last changed; null if that is not known. A change that
 * is yet to come says that the clock is behind, as on a machine that boots in 1970, and nothing of what came first.
 */
export async function readChangedAtMs(files: readonly ConfigFile[], nowMs: number): Promise<number | null> {
  const times = await Promise.all(files.map(({ path }) => changedAtMs(path)));
  const past = times.filter((time) => time !== null && Math.floor(time) <= nowMs) as number[];
  return past.length === 0 ? null : Math.max(...past);
}

// Not the time of modification: `mv` and `cp -p` bring an old one along.
async function changedAtMs(path: string): Promise<number | null> {
  try {
    return (await stat(path)).ctimeMs;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function expandImport(
  imported: string,
  parent: string,
  { version, workingFolder }: ReadOptions,
): Promise<readonly string[]> {
  const from = isGlob(imported) && globsFromWorkingFolder(version) ? workingFolder : dirname(parent);
  const path = isAbsolute(imported) ? normalize(imported) : join(from, imported);
  return isGlob(path) ? expandGlob(path) : [path];
}

async function expandGlob(pattern: string): Promise<readonly string[]> {
  let found = ["/"];
  for (const segment of pattern.split(sep).filter((part) => part !== "")) {
    found = (await Promise.all(found.map((folder) => matchIn(folder, segment)))).flat();
  }
  return found;
}

async function matchIn(folder: string, segment: string): Promise<readonly string[]> {
  if (!/[*?[\\]/.test(segment))
    return (await changedAtMs(join(folder, segment))) === null ? [] : [join(folder, segment)];
  const pattern = compileGlobSegment(segment);
  const names = await readdir(folder).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
  // Go sorts by bytes, not by a language's rules.
  return names
    .filter((name) => pattern?.test(name))
    .sort()
    .map((name) => join(folder, name));
}
