// Finds images of this node that no mirror has: with the upstream away they cannot be pulled again. A sample, since
// each costs some requests at every server.

import type { ImageFinding, ImageTrouble } from "../core/doctor/facts.ts";
import type { Answer } from "../core/explain/answers.ts";
import { contextOf, describeAnswer, isSlow, isWebPage } from "../core/explain/describe-answer.ts";
import type { ExplainedHost } from "../core/explain/explanation.ts";
import { parseImageReference } from "../core/image-reference.ts";
import { explainImage } from "./explain-image.ts";
import type { NodeView, ObserveOptions } from "./observe-node.ts";

const MOST_IMAGES = 10;

/** Looks for some of the node's images at all servers of their registries. */
export async function askImages(
  node: NodeView & Pick<ObserveOptions, "nowMs">,
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
    troubles: hosts.slice(0, -1).flatMap((host) => findTroubles(host, node.nowMs())),
  }));
}

// Only of a mirror that says that it has the image: who says nothing at all is found by other checks.
function findTroubles(host: ExplainedHost, nowMs: number): ImageTrouble[] {
  if (!has(host)) return [];
  const parts = { manifest: host.manifestByDigest, blob: host.blob };
  const bad = (["manifest", "blob"] as const).find((part) => isTrouble(parts[part]));
  const answer = bad === undefined ? null : parts[bad];
  if (bad === undefined || answer === null) return [];
  return [{ endpoint: host.endpoint, part: bad, found: describeAnswer(answer, { ...contextOf(host), nowMs }) }];
}

function isTrouble(answer: Answer | null): boolean {
  if (answer === null) return false;
  return (
    answer.kind === "failed" || answer.status >= 300 || answer.isWrong === true || isWebPage(answer) || isSlow(answer)
  );
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
