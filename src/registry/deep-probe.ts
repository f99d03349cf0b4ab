// Looks behind /v2/: a registry answers that from memory while its storage is dead, and a cache serves manifests
// while it stalls in the blobs, or trickles. Fetches one image's manifest, its smallest blob, whose bytes tell whether
// they are the right ones, and the beginning of one that is large enough to tell whether bytes come at all: as
// containerd would, and in bounded time and bytes.

import { hash } from "node:crypto";
import { type Canary, nameOfCanary } from "../core/canary.ts";
import { type BlobPart, type ManifestParts, readManifestParts } from "../core/manifest-parts.ts";
import type { ProbeReason } from "../core/probe-result.ts";
import { isHtml, judgeRefusal, statusText, type Verdict } from "./answer-verdict.ts";
import type { EndpointAuth } from "./endpoint-auth.ts";
import type { HttpClient } from "./http-client.ts";
import type { ProbeTarget } from "./probe.ts";
import { type PullAnswer, PullClient } from "./pull-client.ts";
import { RequestFailure } from "./request-failure.ts";

export interface DeepProbe {
  readonly client: HttpClient;
  readonly auth: EndpointAuth;
  /** Its timeout holds for each of the requests, from its start to the last byte that is wanted. */
  readonly target: Omit<ProbeTarget, "authorization">;
  readonly canary: Canary;
  /** Of this machine, in Go's words: "amd64", "arm64". */
  readonly architecture: string;
}

interface Fetching {
  readonly pull: PullClient;
  readonly probe: DeepProbe;
  readonly signal: AbortSignal;
}

// remotes/docker/resolver.go: what containerd accepts when it resolves.
const MANIFESTS =
  "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, " +
  "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
// remotes/docker/resolver.go, MaxManifestSize: containerd asks the next host where it is longer.
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/**
 * More than registries and their front ends hold back in buffers; most configs are smaller, and so are read whole.
 * Within the default timeout of 2 s they do not come below 8 KiB/s.
 */
const BLOB_BYTES = 16 * 1024;

/** Fetches the canary. Rejects only when the signal is aborted. */
export async function probeDeep(probe: DeepProbe, signal: AbortSignal): Promise<Verdict> {
  const { canary, client, auth, target } = probe;
  const repository = { registry: canary.registry, name: canary.repository };
  const fetching: Fetching = { pull: new PullClient({ client, auth, target, repository }), probe, signal };
  let what = "manifest";
  try {
    let parts = await fetchManifest(fetching, canary.reference);
    if (parts.child !== null) parts = await fetchManifest(fetching, parts.child);
    what = "blob";
    for (const blob of parts.blobs) await fetchBlob(fetching, blob);
    return { ok: true };
  } catch (error) {
    if (!(error instanceof RequestFailure)) throw error;
    return { ok: false, reason: error.reason, detail: `${what} of ${nameOfCanary(canary)}: ${error.message}` };
  }
}

async function fetchManifest({ pull, probe, signal }: Fetching, reference: string): Promise<ManifestParts> {
  const request = { path: `manifests/${reference}`, accept: MANIFESTS, maxBodyBytes: MAX_MANIFEST_BYTES };
  const answer = await pull.get(request, signal);
  refuseOthers(answer);
  if (isHtml(answer)) throw failure("not-a-registry", `${statusText(answer.status)} with an HTML page`);
  // Without the header containerd hashes the body of a tag itself, and has nothing to compare it with.
  const digest = reference.startsWith("sha256:") ? reference : textOf(answer.headers["docker-content-digest"]);
  if (digest !== null) refuseOtherBytes(answer.body, digest);
  const parts = readManifestParts(answer.body.toString("utf8"), {
    architecture: probe.architecture,
    enoughBytes: BLOB_BYTES,
  });
  if (parts === null) throw failure("not-a-registry", "what came is no manifest");
  return parts;
}

async function fetchBlob({ pull, signal }: Fetching, { digest, size }: BlobPart): Promise<void> {
  const request = { path: `blobs/${digest}`, accept: "*/*", maxBodyBytes: BLOB_BYTES };
  const answer = await pull.get(request, signal);
  refuseOthers(answer);
  const length = textOf(answer.headers["content-length"]) ?? String(size);
  if (length !== String(size)) throw failure("wrong-digest", `it has ${length} bytes instead of ${size}`);
  if (size <= BLOB_BYTES) refuseOtherBytes(answer.body, digest);
}

function refuseOthers(answer: PullAnswer): void {
  if (answer.status === 200) return;
  const { reason, detail } = judgeRefusal(answer, answer);
  throw failure(reason, detail);
}

function refuseOtherBytes(bytes: Buffer, digest: string): void {
  const found = `sha256:${hash("sha256", bytes)}`;
  if (found !== digest)
    throw failure("wrong-digest", `its bytes are ${found.slice(0, 19)}, not ${digest.slice(0, 19)}`);
}

function textOf(header: string | string[] | undefined): string | null {
  return typeof header === "string" ? header : null;
}

function failure(reason: ProbeReason, detail: string): RequestFailure {
  return new RequestFailure(reason, detail);
}
