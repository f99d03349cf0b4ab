// Reads the manifests of every image of a package; one that is damaged does not keep the others from being pushed.

import { type Graph, loadGraph } from "./graph.ts";
import type { ImagePackage } from "./package.ts";
import type { LoadedImage, PlanProblem } from "./plan.ts";

export interface Loaded {
  readonly loaded: readonly LoadedImage[];
  readonly problems: readonly PlanProblem[];
}

export async function loadImages({ images, blobs }: Pick<ImagePackage, "images" | "blobs">): Promise<Loaded> {
  const graphs = new Map<string, Promise<Graph>>();
  const loaded: LoadedImage[] = [];
  const problems: PlanProblem[] = [];
  for (const image of images) {
    const graph = graphs.get(image.root.digest) ?? loadGraph(image.root, blobs);
    graphs.set(image.root.digest, graph);
    try {
      loaded.push({ image, graph: await graph });
    } catch (error) {
      problems.push({ image: image.name ?? image.origin, message: (error as Error).message });
    }
  }
  return { loaded, problems };
}
