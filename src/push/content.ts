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
  /** A piece is only good until the next one is asked for; saves a gigabyte of garbage for a gigabyte of blobs. */
  readonly reuse: boolean;
}

const MOST_SPARE = 64;
const spare: Buffer[] = [];

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
  const pieces = reuse && content.size - start >= PIECE_BYTES ? new PieceBuffers() : null;
  try {
    for (let at = start; at < content.size; ) {
      const length = Math.min(PIECE_BYTES, content.size - at);
      const piece = await readPiece(file, content, {
        at,
        buffer: pieces?.next(length) ?? Buffer.allocUnsafeSlow(length),
      });
      at += piece.length;
      yield piece;
    }
    pieces?.giveBack();
  } finally {
    await file.close();
  }
}

/** Two buffers in turn: one is filled while the socket may still hold the other. */
class PieceBuffers {
  readonly #buffers = [takeSpare(), takeSpare()] as const;
  #turn = 0;

  /** The last piece is often small enough for a socket to keep it while it asks for more, so it gets its own bytes. */
  next(length: number): Buffer {
    if (length < PIECE_BYTES) return Buffer.allocUnsafeSlow(length);
    this.#turn = 1 - this.#turn;
    return this.#buffers[this.#turn === 0 ? 0 : 1];
  }

  /** Only after the last piece was taken: what was broken off may still be on its way. */
  giveBack(): void {
    if (spare.length < MOST_SPARE) spare.push(...this.#buffers);
  }
}

function takeSpare(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
}

async function readPiece(
  file: FileHandle,
  content: FileContent,
  { at, buffer }: { at: number; buffer: Buffer },
): Promise<Uint8Array> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, content.offset + at);
  if (bytesRead > 0) return bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
  const missing = content.size - at;
  throw new Error(`Cannot read "${content.path}" at ${content.offset + at}: the file ends ${missing} bytes too early`);
}
