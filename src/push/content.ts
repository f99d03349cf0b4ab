// Where a blob's bytes are: a stretch of a file, or in memory. A plain value, so that a plan can hold thousands of
// them and any of them can be read again from any offset when a transfer broke.

import { type FileHandle, open } from "node:fs/promises";

export interface FileContent {
  readonly kind: "file";
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

export interface InlineContent {
  readonly kind: "inline";
  readonly bytes: Uint8Array;
  readonly size: number;
}

export type Content = FileContent | InlineContent;

/** Measured against docker-registry: larger pieces cost memory and gain nothing. */
const PIECE_BYTES = 256 * 1024;

export interface StreamOptions {
  /** Each piece is only good until the next but one is asked for: two buffers do for any size. */
  readonly reuse: boolean;
}

export function inlineContent(bytes: Uint8Array): InlineContent {
  return { kind: "inline", bytes, size: bytes.length };
}

/** A stretch of a content, counted from its start. */
export function sliceContent(content: FileContent, offset: number, size: number): FileContent {
  return { ...content, offset: content.offset + offset, size };
}

/** All bytes of a content; only for what is small. Throws if the file is shorter than it should be. */
export async function readContent(content: Content): Promise<Uint8Array> {
  if (content.kind === "inline") return content.bytes;
  const pieces: Uint8Array[] = [];
  for await (const piece of streamContent(content)) pieces.push(piece);
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}

/** The bytes of a content from `start` on, in pieces. Throws if the file is shorter than it should be. */
export async function* streamContent(
  content: Content,
  start = 0,
  { reuse }: StreamOptions = { reuse: false },
): AsyncGenerator<Uint8Array, void> {
  if (start >= content.size) return;
  if (content.kind === "inline") {
    yield content.bytes.subarray(start);
    return;
  }
  const file = await open(content.path, "r");
  const size = Math.min(PIECE_BYTES, content.size - start);
  const buffers = reuse ? [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] : null;
  try {
    for (let at = start, turn = 0; at < content.size; turn = 1 - turn) {
      const piece = await readPiece(file, content, { at, buffer: buffers?.[turn] ?? Buffer.allocUnsafeSlow(size) });
      at += piece.length;
      yield piece;
    }
  } finally {
    await file.close();
  }
}

async function readPiece(
  file: FileHandle,
  content: FileContent,
  { at, buffer }: { at: number; buffer: Buffer },
): Promise<Uint8Array> {
  const length = Math.min(buffer.length, content.size - at);
  const { bytesRead } = await file.read(buffer, 0, length, content.offset + at);
  if (bytesRead > 0) return bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
  const missing = content.size - at;
  throw new Error(`Cannot read "${content.path}" at ${content.offset + at}: the file ends ${missing} bytes too early`);
}
