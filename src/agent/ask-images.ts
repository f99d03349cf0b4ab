// Finds images of this node that no mirror has: with the upstream away they cannot be pulled again. A sample, since
// each costs some requests at every server.

import type { ImageFinding } from "../core/doctor/facts.ts";
import { compileFinding } from "../core/doctor/image-finding.ts";
import { parseImageReference } from "../core/image-reference.ts";
import { DEFAULT_REGISTRY, type Route } from "../core/routes.ts";
import { explainImage } from "./explain-image.ts";
import type { NodeView, ObserveOptions } from "./observe-node.ts";

const MOST_IMAGES = 10;

/** Looks for some of the node's images at all servers of their registries. */
export async function askImages(
  node: NodeView & Pick<ObserveOptions, "nowMs">,
  routes: readonly Route[],
  signal: AbortSignal,
): Promise<ImageFinding[]> {
  const names = await listImages(node, signal);
  const registries = routes.map(({ registry }) => registry);
  const references = names.flatMap((name) => {
    const parsed = parseImageReference(name);
    const isOurs =
      parsed.ok && (registries.includes(parsed.reference.registry) || registries.includes(DEFAULT_REGISTRY));
    return isOurs ? [parsed.reference] : [];
  });
  const explained = references.slice(0, MOST_IMAGES).map((reference) => explainImage(reference, node, signal));
  const mirrors = routes.flatMap((route) => route.mirrors);
  const nowMs = node.nowMs();
  return (await Promise.all(explained)).map((explanation) => compileFinding(explanation, { mirrors, nowMs }));
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
