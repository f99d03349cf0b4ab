// The tree under one root descriptor: index, manifests, blobs. Manifests are read and checked here, blobs only named;
// their digests are checked when they are sent.

import { createHash } from "node:crypto";
import { type Content, inlineContent, readContent } from "./content.ts";
import { type Descriptor, isManifestType, LARGEST_MANIFEST, type Manifest, parseManifest } from "./manifest.ts";

export interface ManifestNode {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  /** Children come before their index when it is pushed. */
  readonly children: readonly ManifestNode[];
  readonly blobs: readonly Blob[];
}

export interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  /** Null if the package does not hold it. */
  readonly content: Content | null;
}

export type Blobs = ReadonlyMap<string, Content>;

/** What an index lists and the package does not hold; a registry refuses such an index. */
export interface MissingManifest {
  readonly descriptor: Descriptor;
  readonly index: string;
}

export interface Graph {
  readonly root: ManifestNode;
  readonly missing: readonly MissingManifest[];
}

/** Reads the tree under `root`. Throws if a manifest is damaged or the root is not there. */
export async function loadGraph(root: Descriptor, blobs: Blobs): Promise<Graph> {
  const missing: MissingManifest[] = [];
  return { root: await loadManifest(root, { blobs, missing, above: [] }), missing };
}

/** All manifests under a node, children before what lists them, the node itself last; each once. */
export function manifestsOf(node: ManifestNode): ManifestNode[] {
  const found = new Map<string, ManifestNode>();
  const visit = (one: ManifestNode): void => {
    if (found.has(one.digest)) return;
    for (const child of one.children) visit(child);
    found.set(one.digest, one);
  };
  visit(node);
  return [...found.values()];
}

/** All blobs under a node, each once. */
export function blobsOf(node: ManifestNode): Blob[] {
  const found = manifestsOf(node).flatMap((manifest) => manifest.blobs);
  return [...new Map(found.map((blob) => [blob.digest, blob])).values()];
}

/** Builds a node from a manifest's bytes, whose digest is taken from the bytes themselves. */
export function makeNode(bytes: Uint8Array, children: readonly ManifestNode[], blobs: Blobs): ManifestNode {
  const manifest = parseManifest(bytes);
  return {
    digest: digestOf(bytes, "sha256"),
    mediaType: manifest.mediaType,
    bytes,
    manifest,
    children,
    blobs: manifest.blobs.map((descriptor) => toBlob(descriptor, blobs)),
  };
}

/** In the algorithm's own name: "sha256:…". */
function digestOf(bytes: Uint8Array, algorithm: string): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

interface Loading {
  readonly blobs: Blobs;
  readonly missing: MissingManifest[];
  readonly above: readonly string[];
}

async function loadManifest(descriptor: Descriptor, loading: Loading): Promise<ManifestNode> {
  const bytes = await readManifest(descriptor, loading);
  const manifest = parseChecked(descriptor, bytes);
  const below = { ...loading, above: [...loading.above, descriptor.digest] };
  const children: ManifestNode[] = [];
  for (const child of manifest.manifests) {
    if (loading.above.includes(child.digest))
      throw new Error(`Cannot read manifest ${child.digest}: it contains itself`);
    if (!isLoadable(child, manifest)) continue;
    if (contentOf(child, loading.blobs) === null) loading.missing.push({ descriptor: child, index: descriptor.digest });
    else children.push(await loadManifest(child, below));
  }
  const mediaType = manifest.mediaType;
  const listed = manifest.manifests.filter((child) => !isLoadable(child, manifest));
  const blobs = [...manifest.blobs, ...listed].map((blob) => toBlob(blob, loading.blobs));
  return { digest: descriptor.digest, mediaType, bytes, manifest, children, blobs };
}

/** An index may also list what is no manifest (image-spec); that travels as a blob. */
function isLoadable(child: Descriptor, { mediaType }: Manifest): boolean {
  return isManifestType(child.mediaType) || (child.mediaType === "" && mediaType !== "");
}

async function readManifest(descriptor: Descriptor, { blobs }: Loading): Promise<Uint8Array> {
  const content = contentOf(descriptor, blobs);
  if (content === null) throw new Error(`Cannot read manifest ${descriptor.digest}: the package does not hold it`);
  if (content.size > LARGEST_MANIFEST)
    throw new Error(`Cannot read manifest ${descriptor.digest}: it has ${content.size} bytes`);
  return readContent(content);
}

function parseChecked(descriptor: Descriptor, bytes: Uint8Array): Manifest {
  const [algorithm = ""] = descriptor.digest.split(":");
  const found = digestOf(bytes, algorithm);
  if (found !== descriptor.digest)
    throw new Error(`Cannot read manifest ${descriptor.digest}: it is damaged, its bytes are ${found}`);
  try {
    return parseManifest(bytes);
  } catch (cause) {
    throw new Error(`Cannot read manifest ${descriptor.digest}: ${(cause as Error).message}`, { cause });
  }
}

function toBlob(descriptor: Descriptor, blobs: Blobs): Blob {
  const { digest, size, mediaType } = descriptor;
  return { digest, size, mediaType, content: contentOf(descriptor, blobs) };
}

function contentOf({ digest, data, size }: Descriptor, blobs: Blobs): Content | null {
  const content = blobs.get(digest);
  if (content !== undefined) return content;
  // A blob of no bytes is known without being there; some writers leave its file out.
  if (size === 0) return inlineContent(new Uint8Array(0));
  return data !== null && data.length === size ? inlineContent(data) : null;
}
