// `--platform`: keeps some platforms of an index. One platform left takes the index's place, as with crane and skopeo;
// several get a new index. Either has another digest than the original, so names with a digest no longer fit.

import type { ManifestNode } from "./graph.ts";
import { makeNode } from "./graph.ts";
import { type Descriptor, isAttestation, type Platform } from "./manifest.ts";

/** Keeps what is for one of `platforms` ("linux/arm64/v8"); null if nothing is. Images of one platform stay. */
export function selectPlatforms(root: ManifestNode, platforms: readonly string[]): ManifestNode | null {
  if (root.manifest.manifests.length === 0) return root;
  const fitting = root.manifest.manifests.filter((child) => fitsPlatforms(child.platform, platforms));
  const digests = fitting.map((child) => child.digest);
  const proofs = root.manifest.manifests.filter(
    (child) => isAttestation(child) && digests.includes(child.annotations["vnd.docker.reference.digest"] ?? ""),
  );
  const [first] = fitting;
  if (first === undefined) return null;
  if (fitting.length === 1 && proofs.length === 0) return childOf(root, first);
  if (fitting.length + proofs.length === root.manifest.manifests.length) return root;
  return fitting.length === 1 ? childOf(root, first) : shrinkIndex(root, [...fitting, ...proofs]);
}

/** Reads "OS/ARCHITECTURE[/VARIANT]" in its canonical form; null if it is none. */
export function parsePlatform(text: string): string | null {
  return /^[a-z0-9]+\/[a-z0-9]+(\/[a-z0-9.]+)?$/.test(text) ? text : null;
}

/** Whether a platform is one of those that are wanted; one that is not named is not. */
export function fitsPlatforms(platform: Platform | null, platforms: readonly string[]): boolean {
  if (platform === null) return false;
  const short = `${platform.os}/${platform.architecture}`;
  return platforms.some((wanted) => wanted === short || wanted === `${short}/${platform.variant ?? ""}`);
}

function childOf(root: ManifestNode, descriptor: Descriptor): ManifestNode | null {
  return root.children.find((child) => child.digest === descriptor.digest) ?? null;
}

function shrinkIndex(root: ManifestNode, kept: readonly Descriptor[]): ManifestNode {
  const index = JSON.parse(Buffer.from(root.bytes).toString("utf8")) as { manifests: { digest: string }[] };
  const digests = new Set(kept.map((descriptor) => descriptor.digest));
  const manifests = index.manifests.filter((child) => digests.has(child.digest));
  const children = root.children.filter((child) => digests.has(child.digest));
  return makeNode(Buffer.from(JSON.stringify({ ...index, manifests })), children, new Map());
}
