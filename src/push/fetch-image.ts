// Reads the manifests of an image at a registry, down to every blob that it needs, without reading those.

import { getManifest, type StoredManifest } from "../registry/manifest-client.ts";
import type { Content } from "./content.ts";
import { inlineContent } from "./content.ts";
import { type Graph, loadGraph } from "./graph.ts";
import { type Descriptor, isManifestType, parseManifest } from "./manifest.ts";
import { attempt, PRIORITY, type PushSession } from "./push-session.ts";
import { fitsPlatforms } from "./select-platforms.ts";

export interface FetchedImage {
  readonly root: Descriptor;
  readonly graph: Graph;
}

/** Fetches an image's manifests; with platforms, only what they need of an index. Throws if the image is not there. */
export async function fetchImage(
  session: PushSession,
  { repository, reference, platforms }: { repository: string; reference: string; platforms: readonly string[] },
): Promise<FetchedImage> {
  const manifests = new Map<string, Content>();
  const fetch = async (name: string): Promise<StoredManifest> => {
    const stored = await attempt(session, PRIORITY.manifest, () =>
      getManifest(session.registry, { repository, reference: name, ns: null, purpose: "pull" }, session.signal),
    );
    if (stored === null) throw new Error(`Cannot read ${repository}:${name}: the registry does not have it`);
    manifests.set(stored.digest, inlineContent(stored.bytes));
    return stored;
  };
  const visit = async (stored: StoredManifest): Promise<void> => {
    const listed = parseManifest(stored.bytes).manifests.filter((child) => isManifestType(child.mediaType));
    const wanted = listed.filter((child) => isWanted(child, platforms));
    await Promise.all(wanted.map(async (child) => visit(await fetch(child.digest))));
  };
  const top = await fetch(reference);
  await visit(top);
  const root = describe(top);
  return { root, graph: await loadGraph(root, manifests) };
}

/** Attestations go with the image that they are about; that is known when the platforms are chosen. */
function isWanted(child: Descriptor, platforms: readonly string[]): boolean {
  if (platforms.length === 0 || child.platform === null) return true;
  return fitsPlatforms(child.platform, platforms) || child.platform.os === "unknown";
}

function describe({ digest, bytes }: StoredManifest): Descriptor {
  const { mediaType } = parseManifest(bytes);
  return { mediaType, digest, size: bytes.length, platform: null, annotations: {}, data: null, artifactType: null };
}
