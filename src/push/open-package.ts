// Opens an image package. Nobody has published what the original's package looks like inside, so every form that
// image tools write is taken, nested in any way: folder or tar, of layouts, docker-archives, tars and compressed ones.

import { stat } from "node:fs/promises";
import { posix, resolve } from "node:path";
import { type Content, type FileContent, readContent } from "./content.ts";
import { parseArchiveImages, readDockerArchive } from "./docker-archive.ts";
import { indexFolder } from "./folder-index.ts";
import { LARGEST_MANIFEST } from "./manifest.ts";
import { readOciLayout } from "./oci-layout.ts";
import type { ImagePackage, PackageImage, PackagePart } from "./package.ts";
import { sniffFormat } from "./sniff.ts";
import { type Spool, type SpoolOptions, spool } from "./spool.ts";
import { type FileTree, indexTar } from "./tar-index.ts";

interface Reading extends SpoolOptions {
  readonly images: PackageImage[];
  readonly blobs: Map<string, Content>;
  readonly spools: Spool[];
}

/** Reads what a package holds. Close it when its blobs are no longer needed. */
export async function openPackage(path: string, options: SpoolOptions): Promise<ImagePackage> {
  const reading: Reading = { ...options, images: [], blobs: new Map(), spools: [] };
  const close = async () => {
    await Promise.all(reading.spools.map((part) => part.close()));
  };
  try {
    const found = await stat(path);
    const content = { kind: "file", path: resolve(path), offset: 0, size: found.size } as const;
    if (found.isDirectory())
      await readTree(await indexFolder(path, options.signal), posix.basename(resolve(path)), reading);
    else await readFileContent(content, posix.basename(path), reading);
  } catch (error) {
    await close();
    throw error;
  }
  return { images: reading.images, blobs: reading.blobs, close };
}

async function readTree(tree: FileTree, origin: string, reading: Reading): Promise<void> {
  const roots: string[] = [];
  for (const path of [...tree.keys()].sort()) {
    const root = await readRoot(tree, path, { origin, reading });
    if (root !== null) roots.push(root);
  }
  for (const [path, content] of tree) {
    if (!roots.some((root) => path.startsWith(root))) await readFileContent(content, posix.join(origin, path), reading);
  }
}

/** Reads the layout or archive that `path` is the index of; returns its folder, or null if it is none. */
async function readRoot(
  tree: FileTree,
  path: string,
  { origin, reading }: { origin: string; reading: Reading },
): Promise<string | null> {
  const root = path.slice(0, path.length - posix.basename(path).length);
  const place = posix.join(origin, root).replace(/\/$/, "");
  if (isLayoutIndex(tree, path, root)) {
    add(reading, await readOciLayout(tree, root, place));
    return root;
  }
  if (!(await isArchiveIndex(tree, path))) return null;
  // docker save since 25 writes both; only index.json has the digests that others pin.
  if (!isLayoutIndex(tree, `${root}index.json`, root)) add(reading, await readDockerArchive(tree, root, place));
  return root;
}

async function readFileContent(content: FileContent, origin: string, reading: Reading): Promise<void> {
  reading.signal.throwIfAborted();
  const format = content.size === 0 ? "other" : await sniffFormat(content);
  if (format === "other") return;
  if (format === "tar") return readTree(await indexTar(content, reading.signal), origin, reading);
  const part = await spool(content, format, reading);
  reading.spools.push(part);
  await readFileContent(part.content, origin, reading);
}

function isLayoutIndex(tree: FileTree, path: string, root: string): boolean {
  if (path !== `${root}index.json` || !tree.has(path)) return false;
  return tree.has(`${root}oci-layout`) || [...tree.keys()].some((other) => other.startsWith(`${root}blobs/`));
}

async function isArchiveIndex(tree: FileTree, path: string): Promise<boolean> {
  const file = posix.basename(path) === "manifest.json" ? tree.get(path) : undefined;
  return file !== undefined && file.size <= LARGEST_MANIFEST && parseArchiveImages(await readContent(file)) !== null;
}

function add(reading: Reading, part: PackagePart): void {
  reading.images.push(...part.images);
  for (const [digest, content] of part.blobs) if (!reading.blobs.has(digest)) reading.blobs.set(digest, content);
}
