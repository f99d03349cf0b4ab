// Reads a blob and proves it: a broken connection is taken up again where it broke, and the digest is checked at the
// end. Registries on an object store redirect to it; the range then goes along.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Distribution, type Reply, scopeOf } from "./distribution.ts";
import { isTemporary, networkError, RegistryError } from "./registry-error.ts";

export interface BlobToRead {
  readonly repository: string;
  readonly digest: string;
  readonly size: number;
  readonly ns: string | null;
}

export interface DownloadOptions {
  readonly retries: number;
  readonly backoffMs: number;
}

/** The bytes of a blob. Throws RegistryError before the end if they are not those of its digest. */
export async function* downloadBlob(
  registry: Distribution,
  { blob, options }: { readonly blob: BlobToRead; readonly options: DownloadOptions },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const [algorithm = ""] = blob.digest.split(":");
  const hash = createHash(algorithm);
  let at = 0;
  for (let failed = 0; ; failed++) {
    try {
      for await (const piece of readFrom(registry, blob, { start: at, signal })) {
        hash.update(piece);
        at += piece.length;
        yield piece;
      }
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (!isTemporary(error) || failed >= options.retries) throw error;
      await sleep(error.retryAfterMs ?? options.backoffMs * 2 ** failed, undefined, { signal });
    }
  }
  const found = `${algorithm}:${hash.digest("hex")}`;
  if (found !== blob.digest) throw corrupt(blob, `its bytes are ${found}`, false);
}

async function* readFrom(
  registry: Distribution,
  blob: BlobToRead,
  { start, signal }: { start: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const reply = await ask(registry, blob, { start, signal });
  // A server that knows no ranges starts again from the first byte.
  let skip = reply.status === 206 ? 0 : start;
  let at = start - skip;
  for await (const piece of bodyOf(reply, blob, signal)) {
    at += piece.length;
    if (at > blob.size) throw corrupt(blob, `it has more than ${blob.size} bytes`, false);
    if (skip < piece.length) yield piece.subarray(skip);
    skip = Math.max(0, skip - piece.length);
  }
  if (at < blob.size) throw corrupt(blob, `its bytes end at ${at} of ${blob.size}`, true);
}

function ask(
  registry: Distribution,
  { repository, digest, ns }: BlobToRead,
  { start, signal }: { start: number; signal: AbortSignal },
): Promise<Reply> {
  const call = {
    what: `read blob ${digest} of ${repository}`,
    method: "GET",
    url: `/v2/${repository}/blobs/${digest}${ns === null ? "" : `?ns=${encodeURIComponent(ns)}`}`,
    scopes: [scopeOf(repository, "pull")],
    headers: start > 0 ? { range: `bytes=${start}-` } : {},
    expected: [200, 206],
  } as const;
  return registry.send(call, signal);
}

async function* bodyOf({ body }: Reply, blob: BlobToRead, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } catch (cause) {
    signal.throwIfAborted();
    throw networkError(`read blob ${blob.digest} of ${blob.repository}`, cause);
  }
}

function corrupt({ digest, repository }: BlobToRead, what: string, temporary: boolean): RegistryError {
  const message = `Cannot read blob ${digest} of ${repository}: ${what}`;
  return new RegistryError(message, { status: null, codes: [], temporary, retryAfterMs: null });
}
