// One 512-byte tar header as a value. The forms met in image packages: ustar with prefix (Go, GNU tar), pax records
// (Go's writer, for long names and large sizes), GNU long names and base-256 sizes (GNU tar's default format).
// Layout: pax(1), "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".

export interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly kind: TarKind;
  readonly linkName: string;
}

export type TarKind =
  | "file"
  | "folder"
  | "symlink"
  | "hardlink"
  | "pax"
  | "paxGlobal"
  | "longName"
  | "longLink"
  | "sparse"
  | "other";

export const TAR_BLOCK = 512;

const KINDS: Readonly<Record<string, TarKind>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "folder",
  x: "pax",
  g: "paxGlobal",
  L: "longName",
  K: "longLink",
  S: "sparse",
};

/** Reads a header block; null if its checksum says that it is none (an all-zero block, the end, included). */
export function parseTarHeader(block: Uint8Array): TarHeader | null {
  if (readNumber(block, 148, 8) !== checksum(block)) return null;
  const typeFlag = String.fromCharCode(block[156] ?? 0);
  return {
    name: withPrefix(block, readText(block, 0, 100)),
    size: readNumber(block, 124, 12),
    kind: KINDS[typeFlag] ?? "other",
    linkName: readText(block, 157, 100),
  };
}

/** The records of a pax extended header: `LENGTH KEY=VALUE\n`, length in bytes and counting itself. */
export function parsePaxRecords(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < text.length; ) {
    const length = Number.parseInt(text.toString("latin1", at, at + 20), 10);
    if (!(length > 0)) break;
    const record = text.toString("utf8", text.indexOf(0x20, at) + 1, at + length - 1);
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** Text up to the first NUL. */
export function readText(block: Uint8Array, offset: number, length: number): string {
  const field = Buffer.from(block.buffer, block.byteOffset + offset, length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

function withPrefix(block: Uint8Array, name: string): string {
  // Only POSIX ustar ("ustar\0") has a prefix; old GNU ("ustar ") keeps times there.
  if (readText(block, 257, 6) !== "ustar" || block[262] !== 0) return name;
  const prefix = readText(block, 345, 155);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function readNumber(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if (first < 0x80) return Number.parseInt(readText(block, offset, length).trim() || "0", 8);
  let value = first & 0x7f;
  for (let at = offset + 1; at < offset + length; at++) value = value * 256 + (block[at] ?? 0);
  return value;
}

function checksum(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}
