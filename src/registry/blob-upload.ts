// Brings one blob into one repository. Distribution-spec 1.1, "Pushing blobs", and what docker-registry 2.8.2 does:
// - The Location of each answer replaces the one before; a request to an older one destroys the session.
// - A session is lost when its connection broke after bytes had been stored: asking for its status answers 404. Then
//   the blob starts anew in a new session; distribution 3 and others answer 204 with a Range, and we go on from there.

import type { BlobSource } from "./blob-source.ts";
import { type Distribution, type Purpose, type Reply, scopeOf } from "./distribution.ts";
import { sendWatched, type Watch } from "./hashed-body.ts";
import { headerText, isTemporary, RegistryError } from "./registry-error.ts";
import { resolveLocation } from "./upload-location.ts";

export interface BlobTarget {
  readonly repository: string;
  /** A repository of the same registry that has the blob already; null if none is known. */
  readonly mountFrom: string | null;
}

export type BlobOutcome = "present" | "mounted" | "uploaded";

export interface UploadOptions extends Watch {
  /** How long the registry may take to store what it got. */
  readonly finishTimeoutMs: number;
}

export interface BlobQuestion {
  readonly repository: string;
  readonly digest: string;
  readonly size: number;
  readonly ns: string | null;
  readonly purpose: Purpose;
}

/** Whether a repository has a blob; null if the registry does not say (some forbid the question to pushers). */
export async function hasBlob(
  registry: Distribution,
  { repository, digest, size, ns, purpose }: BlobQuestion,
  signal: AbortSignal,
): Promise<boolean | null> {
  const reply = await registry.read(
    {
      what: `ask for blob ${digest} in ${repository}`,
      method: "HEAD",
      url: `/v2/${repository}/blobs/${digest}${ns === null ? "" : `?ns=${encodeURIComponent(ns)}`}`,
      scopes: [scopeOf(repository, purpose)],
      expected: [200, 403, 404],
    },
    signal,
  );
  if (reply.status === 403) return null;
  const length = headerText(reply.headers["content-length"]);
  return reply.status === 200 && (length === null || Number(length) === size);
}

/** Mounts the blob if it can be, else uploads it. Aborting leaves no open session behind. */
export async function uploadBlob(
  registry: Distribution,
  {
    blob,
    target,
    options,
  }: { readonly blob: BlobSource; readonly target: BlobTarget; readonly options: UploadOptions },
  signal: AbortSignal,
): Promise<Exclude<BlobOutcome, "present">> {
  const session = await startSession(registry, blob, target, signal);
  if (session === "mounted") return "mounted";
  const upload: Upload = { registry, blob, target, options, location: session };
  try {
    // In one PUT: the fewest requests, and a file can be read again when it breaks.
    await finish(upload, 0, signal);
  } catch (error) {
    if (!isTemporary(error) || signal.aborted) {
      await cancelSession(upload);
      throw error;
    }
    await resumeOrThrow(upload, error, signal);
  }
  return "uploaded";
}

interface Upload {
  readonly registry: Distribution;
  readonly blob: BlobSource;
  readonly target: BlobTarget;
  readonly options: UploadOptions;
  location: URL;
}

async function startSession(
  registry: Distribution,
  blob: BlobSource,
  target: BlobTarget,
  signal: AbortSignal,
): Promise<URL | "mounted"> {
  if (target.mountFrom !== null) {
    const mounted = await tryMount(registry, blob, { ...target, mountFrom: target.mountFrom }, signal);
    if (mounted !== null) return mounted;
  }
  const reply = await registry.read(
    {
      what: `upload blob ${blob.digest} to ${target.repository}`,
      method: "POST",
      // Without the last slash docker-registry redirects.
      url: `/v2/${target.repository}/blobs/uploads/`,
      scopes: [scopeOf(target.repository, "push")],
      headers: { "content-length": "0" },
      expected: [202],
    },
    signal,
  );
  return locationOf(reply, registry);
}

/** 201: done. 202: the registry opened a session instead. Any refusal: null, an upload may be allowed all the same. */
async function tryMount(
  registry: Distribution,
  { digest }: BlobSource,
  { repository, mountFrom }: { repository: string; mountFrom: string },
  signal: AbortSignal,
): Promise<URL | "mounted" | null> {
  const query = new URLSearchParams({ mount: digest, from: mountFrom });
  const call = {
    what: `mount blob ${digest} from ${mountFrom} into ${repository}`,
    method: "POST",
    url: `/v2/${repository}/blobs/uploads/?${query}`,
    // Some token servers look at the first scope only, and without it nothing works.
    scopes: [scopeOf(repository, "push"), scopeOf(mountFrom, "pull")],
    headers: { "content-length": "0" },
    expected: [201, 202],
  } as const;
  try {
    const reply = await registry.read(call, signal);
    return reply.status === 201 ? "mounted" : locationOf(reply, registry);
  } catch (error) {
    if (isTemporary(error) || !(error instanceof RegistryError)) throw error;
    return null;
  }
}

async function resumeOrThrow(upload: Upload, broken: RegistryError, signal: AbortSignal): Promise<void> {
  // A status says that the registry answered; what it refused once it refuses again in this session.
  const stored = broken.status === null ? await storedBytes(upload, signal) : null;
  if (stored === null) {
    await cancelSession(upload);
    throw broken;
  }
  const { registry, blob, target } = upload;
  const reply = await sendWatched(
    registry,
    {
      call: {
        what: `go on uploading blob ${blob.digest} to ${target.repository}`,
        method: "PATCH",
        url: upload.location,
        scopes: [scopeOf(target.repository, "push")],
        headers: { "content-range": `${stored}-${blob.size - 1}` },
        expected: [201, 202, 204],
      },
      blob,
      start: stored,
      finishTimeoutMs: upload.options.finishTimeoutMs,
      watch: upload.options,
    },
    signal,
  );
  upload.location = locationOf(reply, registry);
  await finish(upload, blob.size, signal);
}

async function finish(upload: Upload, start: number, signal: AbortSignal): Promise<void> {
  const { registry, blob, target, options } = upload;
  const url = new URL(upload.location);
  url.searchParams.set("digest", blob.digest);
  const call = {
    what: `upload blob ${blob.digest} to ${target.repository}`,
    method: "PUT",
    url,
    scopes: [scopeOf(target.repository, "push")],
    headers: {},
    expected: [201, 204],
  } as const;
  await sendWatched(registry, { call, blob, start, finishTimeoutMs: options.finishTimeoutMs, watch: options }, signal);
}

/** How many bytes a broken session holds, if it can be gone on with; "0-0" may mean none or one, and counts as lost. */
async function storedBytes({ registry, blob, target, location }: Upload, signal: AbortSignal): Promise<number | null> {
  const call = {
    what: `ask how far blob ${blob.digest} in ${target.repository} is`,
    method: "GET",
    url: location,
    scopes: [scopeOf(target.repository, "push")],
    expected: [204],
  } as const;
  const reply = await registry.read(call, signal).catch(() => null);
  const end = Number(/^(?:bytes=)?0-(\d+)$/.exec(headerText(reply?.headers.range) ?? "")?.[1] ?? 0);
  return end > 0 && end < blob.size - 1 ? end + 1 : null;
}

/** Lets the registry free what a given-up session holds; it is only kindness, so nothing depends on it. */
async function cancelSession({ registry, blob, target, location }: Upload): Promise<void> {
  const call = {
    what: `cancel the upload of ${blob.digest}`,
    method: "DELETE",
    url: location,
    scopes: [scopeOf(target.repository, "push")],
    expected: [200, 202, 204, 404],
  } as const;
  await registry.read(call, AbortSignal.timeout(2000)).catch(() => null);
}

function locationOf(reply: Reply, registry: Distribution): URL {
  const location = headerText(reply.headers.location);
  if (location !== null) return resolveLocation(location, reply.url, registry.origin);
  const message = `Cannot upload to ${reply.url.pathname}: the registry's answer has no Location`;
  throw new RegistryError(message, { status: reply.status, codes: [], temporary: false, retryAfterMs: null });
}
