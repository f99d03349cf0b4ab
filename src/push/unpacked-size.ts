// How large a compressed file will be, without unpacking it, so that a full disk is noticed first and not last.

import { open } from "node:fs/promises";
import type { FileContent } from "./content.ts";
import type { Compression } from "./sniff.ts";

/** The unpacked size where the format tells it, else the packed size, which is the least it can be expected to need. */
export async function unpackedSize(packed: FileContent, compression: Compression): Promise<number> {
  const size = await READERS[compression](packed);
  return size !== null && size > packed.size ? size : packed.size;
}

type ReadSize = (packed: FileContent) => Promise<number | null>;

const READERS: Readonly<Record<Compression, ReadSize>> = {
  xz: readXzSize,
  // Modulo 4 GiB and only of the last member: a lower bound.
  gzip: async (packed) => (await readAt(packed, packed.size - 4, 4)).readUInt32LE(0),
  zstd: readZstdSize,
};

/** Sums the records of the index at the end (xz-file-format 1.2, sections 2.1.2 and 4). Padded or joined files: null. */
async function readXzSize(packed: FileContent): Promise<number | null> {
  const footer = await readAt(packed, packed.size - 12, 12);
  if (footer.toString("latin1", 10) !== "YZ") return null;
  const indexSize = (footer.readUInt32LE(4) + 1) * 4;
  if (indexSize > packed.size || indexSize > 16 * 1024 * 1024) return null;
  const index = await readAt(packed, packed.size - 12 - indexSize, indexSize);
  let [count, at] = readVarint(index, 1);
  let total = 0;
  for (; count > 0; count--) {
    const [, afterUnpadded] = readVarint(index, at);
    const [unpacked, afterRecord] = readVarint(index, afterUnpadded);
    total += unpacked;
    at = afterRecord;
  }
  return total;
}

/** Frame_Content_Size of the first frame (RFC 8878, 3.1.1.1); a writer that streams leaves it out. */
async function readZstdSize(packed: FileContent): Promise<number | null> {
  const header = await readAt(packed, 0, 18);
  const descriptor = header[4] ?? 0;
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const sizeFlag = descriptor >> 6;
  if (sizeFlag === 0) return single ? (header[at] ?? null) : null;
  if (sizeFlag === 1) return header.readUInt16LE(at) + 256;
  return sizeFlag === 2 ? header.readUInt32LE(at) : Number(header.readBigUInt64LE(at));
}

function readVarint(bytes: Uint8Array, start: number): [value: number, next: number] {
  let value = 0;
  let factor = 1;
  let at = start;
  for (; ((bytes[at] ?? 0) & 0x80) !== 0; at++, factor *= 128) value += ((bytes[at] ?? 0) & 0x7f) * factor;
  return [value + (bytes[at] ?? 0) * factor, at + 1];
}

async function readAt(packed: FileContent, offset: number, length: number): Promise<Buffer> {
  const file = await open(packed.path, "r");
  try {
    const bytes = Buffer.alloc(length);
    if (offset >= 0) await file.read(bytes, 0, length, packed.offset + offset);
    return bytes;
  } finally {
    await file.close();
  }
}
