// Writes an OCI layout as one tar, compressed by what its name ends in. The same images give the same bytes: files are
// in a fixed order, metadata first, and the compressors run with fixed settings. xz with several blocks, so that it is
// unpacked on all cores; its bytes do not depend on how many threads wrote them, as long as there are two at least.

import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { renderTarHeader, TAR_END, tarPadding } from "./tar-writer.ts";

export interface PackageFile {
  readonly name: string;
  readonly size: number;
  readonly read: () => AsyncIterable<Uint8Array>;
}

export type PackageFormat = "tar" | "xz" | "zstd" | "gzip";

/** The format that a file's name asks for; null if it says nothing that is known. */
export function formatOfName(path: string): PackageFormat | null {
  const endings = {
    tar: /\.tar$/,
    xz: /\.(tar\.)?xz$|\.txz$/,
    zstd: /\.(tar\.)?zst$|\.tzst$/,
    gzip: /\.(tar\.)?gz$|\.tgz$/,
  };
  const found = Object.entries(endings).find(([, ending]) => ending.test(path));
  return (found?.[0] as PackageFormat | undefined) ?? null;
}

/** Writes files, in their order, as a package. `path` appears when it is whole, and not at all if that fails. */
export async function writePackage(
  files: readonly PackageFile[],
  { path, format }: { readonly path: string; readonly format: PackageFormat },
  signal: AbortSignal,
): Promise<void> {
  const partial = `${path}.partial`;
  const file = await open(partial, "w", 0o644);
  try {
    await COMPRESS[format](renderTar(files, signal), file, signal);
    await file.sync();
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

async function* renderTar(files: readonly PackageFile[], signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  for (const { name, size, read } of files) {
    signal.throwIfAborted();
    yield renderTarHeader(name, size);
    yield* read();
    const padding = tarPadding(size);
    if (padding.length > 0) yield padding;
  }
  yield TAR_END;
}

type Compress = (tar: AsyncIterable<Uint8Array>, into: FileHandle, signal: AbortSignal) => Promise<void>;

const COMPRESS: Readonly<Record<PackageFormat, Compress>> = {
  tar: (tar, into) => writeAll(tar, into),
  gzip: (tar, into, signal) => pipeline(tar, createGzip({ level: 6 }), (pieces) => writeAll(pieces, into), { signal }),
  zstd: (tar, into, signal) => pipeline(tar, makeZstd(), (pieces) => writeAll(pieces, into), { signal }),
  xz: compressXz,
};

async function writeAll(pieces: AsyncIterable<Uint8Array>, into: FileHandle): Promise<void> {
  for await (const piece of pieces) await into.appendFile(piece);
}

function makeZstd() {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 };
  return createZstdCompress({ params });
}

async function compressXz(tar: AsyncIterable<Uint8Array>, into: FileHandle, signal: AbortSignal): Promise<void> {
  const { execa } = await import("execa");
  const args = ["-c", "-6", "-T2", "--block-size=16MiB"];
  const input = Readable.from(tar, { objectMode: false });
  const failed = new Promise<never>((_, reject) => input.once("error", reject));
  const child = execa("xz", args, { input, stdout: into.fd, cancelSignal: signal } as never);
  await Promise.race([child, failed]);
}
