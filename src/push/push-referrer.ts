// Pushes a manifest that points at another one (distribution-spec 1.1, "Pushing Manifests with Subject"). A registry
// that knows of referrers says so with OCI-Subject; for the others the client has to keep a list of them itself, an
// index under the tag `sha256-<hex>`. docker-registry 2.8.2 is one of the others (tried).

import type { Distribution } from "../registry/distribution.ts";
import { getManifest, putManifest } from "../registry/manifest-client.ts";
import type { ManifestNode } from "./graph.ts";
import { type Descriptor, OCI_INDEX, parseManifest } from "./manifest.ts";

/** Pushes the referrer by digest and makes sure that it can be found from its subject. */
export async function pushReferrer(
  registry: Distribution,
  { repository, referrer }: { readonly repository: string; readonly referrer: ManifestNode },
  signal: AbortSignal,
): Promise<void> {
  const { digest, mediaType, bytes, manifest } = referrer;
  const { subjectTaken } = await putManifest(registry, { repository, reference: digest, mediaType, bytes }, signal);
  if (subjectTaken || manifest.subject === null) return;
  const reference = manifest.subject.digest.replace(":", "-");
  const stored = await getManifest(registry, { repository, reference, ns: null, purpose: "push" }, signal);
  const listed = stored === null ? [] : readListed(stored.bytes);
  if (listed.some((entry) => entry.digest === digest)) return;
  const index = renderIndex([...listed, describe(referrer)]);
  await putManifest(registry, { repository, reference, mediaType: OCI_INDEX, bytes: index }, signal);
}

function readListed(bytes: Uint8Array): readonly Pick<Descriptor, "digest">[] {
  parseManifest(bytes);
  const { manifests } = JSON.parse(Buffer.from(bytes).toString("utf8")) as { manifests?: Descriptor[] };
  return manifests ?? [];
}

function describe({ digest, mediaType, bytes, manifest }: ManifestNode): Pick<Descriptor, "digest"> {
  const artifactType = manifest.artifactType === null ? {} : { artifactType: manifest.artifactType };
  const annotations = Object.keys(manifest.annotations).length === 0 ? {} : { annotations: manifest.annotations };
  return { ...{ mediaType, digest, size: bytes.length }, ...artifactType, ...annotations };
}

function renderIndex(manifests: readonly unknown[]): Uint8Array {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}
