// Sends a blob as a request's body, hashing every byte on its way out and watching that bytes keep flowing. undici's
// own time limits either ignore a body that is being sent or count it as waiting, so they are off here.

import { createHash } from "node:crypto";
import { type BlobSource, DamagedBlobError } from "./blob-source.ts";
import type { Call, Distribution, Reply } from "./distribution.ts";
import { RegistryError } from "./registry-error.ts";

export interface Watch {
  /** No byte for so long: the connection is dead, whatever TCP believes. */
  readonly stallTimeoutMs: number;
  /** Bytes handed to the connection, also those that are sent a second time. */
  readonly onSent: (bytes: number) => void;
}

export interface WatchedCall {
  readonly call: Omit<Call, "body" | "headersTimeoutMs">;
  readonly blob: BlobSource;
  /** The bytes before are at the registry already; they are read and hashed, not sent. */
  readonly start: number;
  readonly finishTimeoutMs: number;
  readonly watch: Watch;
}

/** Sends the blob's bytes from `start` on. Throws DamagedBlobError before its last byte if the digest is another. */
export async function sendWatched(registry: Distribution, watched: WatchedCall, signal: AbortSignal): Promise<Reply> {
  const { call, blob, start, watch, finishTimeoutMs } = watched;
  const stalled = new AbortController();
  const timer = new StallTimer(stalled);
  const length = { "content-length": String(blob.size - start), "content-type": "application/octet-stream" };
  const state: Sending = { watched, timer, damage: null };
  timer.arm(blob.size === start ? finishTimeoutMs : watch.stallTimeoutMs);
  try {
    const body = blob.size === start ? {} : { body: () => hashedBytes(state) };
    const headers = { ...call.headers, ...length };
    return await registry.read(
      { ...call, headers, ...body, headersTimeoutMs: 0 },
      AbortSignal.any([signal, stalled.signal]),
    );
  } catch (error) {
    signal.throwIfAborted();
    if (state.damage !== null) throw state.damage;
    throw stalled.signal.aborted ? stallError(call.what, timer.waitedMs) : error;
  } finally {
    timer.disarm();
  }
}

interface Sending {
  readonly watched: WatchedCall;
  readonly timer: StallTimer;
  damage: DamagedBlobError | null;
}

async function* hashedBytes(state: Sending): AsyncGenerator<Uint8Array, void> {
  const { blob, start, watch, finishTimeoutMs } = state.watched;
  const [algorithm = ""] = blob.digest.split(":");
  const hash = createHash(algorithm);
  let at = 0;
  for await (const piece of blob.read(0)) {
    hash.update(piece);
    at += piece.length;
    if (at >= blob.size) state.damage = findDamage(blob, at, `${algorithm}:${hash.digest("hex")}`);
    if (state.damage !== null) throw state.damage;
    const unsent = piece.subarray(Math.max(0, piece.length - (at - start)));
    if (at <= start) continue;
    yield unsent;
    watch.onSent(unsent.length);
    state.timer.arm(at === blob.size ? finishTimeoutMs : watch.stallTimeoutMs);
  }
}

function findDamage(blob: BlobSource, size: number, digest: string): DamagedBlobError | null {
  if (digest === blob.digest && size === blob.size) return null;
  return new DamagedBlobError(`Cannot push blob ${blob.digest}: the package is damaged, its bytes are ${digest}`);
}

function stallError(what: string, waitedMs: number): RegistryError {
  const message = `Cannot ${what}: no progress for ${Math.round(waitedMs / 1000)} s`;
  return new RegistryError(message, { status: null, codes: [], temporary: true, retryAfterMs: null });
}

/** A deadline that is moved on with each piece; one timer for the whole body, not one for each piece. */
class StallTimer {
  readonly #controller: AbortController;
  #timer: NodeJS.Timeout | null = null;
  waitedMs = 0;

  constructor(controller: AbortController) {
    this.#controller = controller;
  }

  arm(ms: number): void {
    if (this.#timer !== null && this.waitedMs === ms) {
      this.#timer.refresh();
      return;
    }
    this.disarm();
    this.waitedMs = ms;
    this.#timer = setTimeout(() => this.#controller.abort(), ms);
  }

  disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
