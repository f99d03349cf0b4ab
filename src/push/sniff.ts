// What a file is, by its first bytes and never by its name: packages are renamed, and `.tar` files hold gzip.

import { open } from "node:fs/promises";
import type { FileContent } from "./content.ts";
import { parseTarHeader, TAR_BLOCK } from "./tar-header.ts";

export type FileFormat = "tar" | Compression | "other";

export type Compression = "xz" | "gzip" | "zstd";

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** Tells the format of a file from its first block. */
export async function sniffFormat(content: FileContent): Promise<FileFormat> {
  return formatOf(await readStart(content));
}

function formatOf(start: Uint8Array): FileFormat {
  const compression = MAGIC.find(([, magic]) => magic.every((byte, index) => start[index] === byte));
  if (compression) return compression[0];
  // The checksum and not the "ustar" magic: v7 tars have none.
  return start.length === TAR_BLOCK && parseTarHeader(start) !== null ? "tar" : "other";
}

async function readStart(content: FileContent): Promise<Uint8Array> {
  const file = await open(content.path, "r");
  try {
    const start = Buffer.alloc(Math.min(TAR_BLOCK, content.size));
    await file.read(start, 0, start.length, content.offset);
    return start;
  } finally {
    await file.close();
  }
}
