// Finds images of this node that no mirror has: with the upstream away they cannot be pulled again. A sample, since
// each costs some requests at every server.

import type { ImageFinding } from "../core/doctor/facts.ts";
import type { ExplainedHost } from "../core/explain/explanation.ts";
import { parseImageReference } from "../core/image-reference.ts";
import { explainImage } from "./explain-image.ts";
import type { NodeView } from "./observe-node.ts";

const MOST_IMAGES = 10;

/** Looks for some of the node's images at all servers of their registries. */
export async function askImages(
  node: NodeView,
  registries: readonly string[],
  signal: AbortSignal,
): Promise<ImageFinding[]> {
  const names = await listImages(node, signal);
  const references = names.flatMap((name) => {
    const parsed = parseImageReference(name);
    const isOurs = parsed.ok && (registries.includes(parsed.reference.registry) || registries.includes("_default"));
    return isOurs ? [parsed.reference] : [];
  });
  const explained = references.slice(0, MOST_IMAGES).map((reference) => explainImage(reference, node, signal));
  return (await Promise.all(explained)).map(({ image, hosts }) => ({
    image,
    isAtMirror: hosts.slice(0, -1).some(has),
    isAtUpstream: hosts.slice(-1).some(has),
    haveMirrorsAnswered: hosts.length > 1 && hosts.slice(0, -1).every(({ manifest }) => manifest?.kind === "answered"),
  }));
}

async function listImages({ observed }: NodeView, signal: AbortSignal): Promise<readonly string[]> {
  if (observed.daemon === null || observed.daemon.criProblem !== null) return [];
  const { CriClient, CriError } = await import("../node/cri.ts");
  const cri = new CriClient(observed.socket);
  try {
    const images = await cri.listImages({ signal });
    return images.flatMap(({ repoTags: [tag] }) => (tag === undefined ? [] : [tag])).sort();
  } catch (error) {
    if (error instanceof CriError) return [];
    throw error;
  } finally {
    cri.close();
  }
}

function has({ manifest }: ExplainedHost): boolean {
  return manifest?.kind === "answered" && manifest.status < 300;
}
