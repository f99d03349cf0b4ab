// Manifests at a registry. Without an Accept header that names its type, docker-registry 2.8.2 answers 404 for an OCI
// manifest that it has (tried); every run would then push everything again.

import { createHash } from "node:crypto";
import { type Distribution, type Purpose, scopeOf } from "./distribution.ts";
import { headerText, RegistryError } from "./registry-error.ts";

const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

export interface ManifestQuestion {
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
  /** Whose image a mirror is asked for; containerd puts it behind every path. */
  readonly ns: string | null;
  readonly purpose: Purpose;
}

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface ManifestToPut {
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The digest that a tag or digest stands for at the registry; null if there is none. */
export async function findManifest(
  registry: Distribution,
  { repository, reference, ns, purpose }: ManifestQuestion,
  signal: AbortSignal,
): Promise<string | null> {
  const reply = await registry.read(
    {
      what: `ask for ${nameOf(repository, reference)}`,
      method: "HEAD",
      url: manifestPath(repository, reference) + query(ns),
      scopes: [scopeOf(repository, purpose)],
      headers: { accept: ACCEPT },
      expected: [200, 404],
    },
    signal,
  );
  if (reply.status === 404) return null;
  const digest = headerText(reply.headers["docker-content-digest"]);
  return digest ?? (await getManifest(registry, { repository, reference, ns, purpose }, signal))?.digest ?? null;
}

/** A manifest's bytes; null if there is none. Throws if a digest was asked for and the bytes have another. */
export async function getManifest(
  registry: Distribution,
  { repository, reference, ns, purpose }: ManifestQuestion,
  signal: AbortSignal,
): Promise<StoredManifest | null> {
  const what = `read ${nameOf(repository, reference)}`;
  const url = manifestPath(repository, reference) + query(ns);
  const scopes = [scopeOf(repository, purpose)];
  const reply = await registry.send(
    { what, method: "GET", url, scopes, headers: { accept: ACCEPT }, expected: [200, 404] },
    signal,
  );
  const bytes = new Uint8Array(await reply.body.arrayBuffer());
  if (reply.status === 404) return null;
  const [algorithm, isDigest] = reference.includes(":") ? [reference.split(":")[0] ?? "", true] : ["sha256", false];
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
  if (isDigest && digest !== reference) throw corrupt(`Cannot ${what}: its bytes are ${digest}`);
  return { digest, bytes, mediaType: headerText(reply.headers["content-type"])?.split(";")[0] ?? "" };
}

/** Puts a manifest; says whether the registry took its `subject` into its own list of referrers. */
export async function putManifest(
  registry: Distribution,
  { repository, reference, mediaType, bytes }: ManifestToPut,
  signal: AbortSignal,
): Promise<{ readonly subjectTaken: boolean }> {
  const what = `push ${nameOf(repository, reference)}`;
  const reply = await registry.read(
    {
      what,
      method: "PUT",
      url: manifestPath(repository, reference),
      scopes: [scopeOf(repository, "push")],
      headers: { "content-type": mediaType, "content-length": String(bytes.length) },
      body: () => bytes,
      expected: [200, 201, 202],
    },
    signal,
  );
  const stored = headerText(reply.headers["docker-content-digest"]);
  const [algorithm = ""] = stored?.split(":") ?? [];
  if (stored !== null && stored !== `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`) {
    throw corrupt(`Cannot ${what}: the registry stored other bytes, ${stored}`);
  }
  return { subjectTaken: reply.headers["oci-subject"] !== undefined };
}

function nameOf(repository: string, reference: string): string {
  return reference.includes(":") ? `manifest ${repository}@${reference}` : `${repository}:${reference}`;
}

function manifestPath(repository: string, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

function query(ns: string | null): string {
  return ns === null ? "" : `?ns=${encodeURIComponent(ns)}`;
}

function corrupt(message: string): RegistryError {
  return new RegistryError(message, { status: 200, codes: [], temporary: false, retryAfterMs: null });
}
