// The files of a folder as the same tree that a tar has, so that everything behind does not know which it was.

import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { FileContent } from "./content.ts";
import type { FileTree } from "./tar-index.ts";

/** Indexes a folder with everything beneath it. Links are followed; a link back to a folder above is not. */
export async function indexFolder(folder: string, signal: AbortSignal): Promise<FileTree> {
  const files = new Map<string, FileContent>();
  await addFolder(files, folder, { prefix: "", above: [], signal });
  return files;
}

interface Place {
  readonly prefix: string;
  readonly above: readonly string[];
  readonly signal: AbortSignal;
}

async function addFolder(files: Map<string, FileContent>, folder: string, place: Place): Promise<void> {
  place.signal.throwIfAborted();
  const real = await realpath(folder);
  if (place.above.includes(real)) return;
  const names = await readdir(folder);
  for (const name of names.sort()) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found?.isFile()) files.set(place.prefix + name, { kind: "file", path, offset: 0, size: found.size });
    if (!found?.isDirectory()) continue;
    await addFolder(files, path, { ...place, prefix: `${place.prefix}${name}/`, above: [...place.above, real] });
  }
}
