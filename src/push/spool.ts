// Unpacks one compressed file into the work folder. The spool file loses its name as soon as it is open and is read
// through /proc/self/fd: whatever ends this program, kill -9 included, also frees the space.

import { randomBytes } from "node:crypto";
import { type FileHandle, open, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type FileContent, streamContent } from "./content.ts";
import type { Compression } from "./sniff.ts";
import { unpackedSize } from "./unpacked-size.ts";

export interface SpoolOptions {
  readonly workdir: string;
  readonly signal: AbortSignal;
}

export interface Spool {
  readonly content: FileContent;
  close(): Promise<void>;
}

/** Unpacks `packed`. Throws before anything is written if the work folder cannot hold it. */
export async function spool(packed: FileContent, compression: Compression, options: SpoolOptions): Promise<Spool> {
  await checkSpace(packed, compression, options.workdir);
  const path = join(options.workdir, `.mirror-agent-${randomBytes(6).toString("hex")}`);
  const file = await open(path, "wx+", 0o600);
  await unlink(path);
  try {
    await UNPACK[compression](packed, file, options.signal);
    const { size } = await file.stat();
    const content = { kind: "file", path: `/proc/self/fd/${file.fd}`, offset: 0, size } as const;
    return { content, close: () => file.close() };
  } catch (cause) {
    await file.close();
    options.signal.throwIfAborted();
    throw new Error(`Cannot unpack "${packed.path}" into "${options.workdir}": ${reason(cause)}`, { cause });
  }
}

async function checkSpace(packed: FileContent, compression: Compression, workdir: string): Promise<void> {
  const needed = await unpackedSize(packed, compression);
  const { bavail, bsize } = await statfs(workdir);
  if (needed <= bavail * bsize) return;
  const [want, have] = [needed, bavail * bsize].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`);
  throw new Error(
    `Cannot unpack "${packed.path}": it needs ${want}, "${workdir}" has ${have}; choose another --workdir`,
  );
}

type Unpack = (packed: FileContent, into: FileHandle, signal: AbortSignal) => Promise<void>;

const UNPACK: Readonly<Record<Compression, Unpack>> = {
  xz: unpackXz,
  gzip: (packed, into, signal) => unpackStream(packed, createGunzip(), { into, signal }),
  zstd: (packed, into, signal) => unpackStream(packed, createZstdDecompress(), { into, signal }),
};

// Node has no xz; the system's own reads the blocks of a file on all cores and reads and writes past this program.
async function unpackXz(packed: FileContent, into: FileHandle, signal: AbortSignal): Promise<void> {
  const { execa } = await import("execa");
  await using file = await open(packed.path, "r");
  const whole = packed.offset === 0 && (await file.stat()).size === packed.size;
  const stdin = whole ? { stdin: file.fd } : { input: Readable.from(streamContent(packed), { objectMode: false }) };
  await execa("xz", ["-dc", "-T0"], { ...stdin, stdout: into.fd, cancelSignal: signal } as never);
}

// Written piece by piece: a stream on the file handle would keep it from closing.
async function unpackStream(
  packed: FileContent,
  decoder: NodeJS.ReadWriteStream,
  { into, signal }: { into: FileHandle; signal: AbortSignal },
): Promise<void> {
  const write = async (pieces: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const piece of pieces) await into.appendFile(piece);
  };
  await pipeline(streamContent(packed), decoder, write, { signal });
}

function reason(error: unknown): string {
  const { code, shortMessage, message, stderr } = error as Partial<
    Record<"code" | "shortMessage" | "message" | "stderr", string>
  >;
  if (code === "ENOENT") return 'the program "xz" is not installed; install xz-utils (Debian) or xz (RPM)';
  if (code === "ENOSPC") return "no space is left there; choose another --workdir";
  return stderr?.trim() || shortMessage || message || "unknown";
}
