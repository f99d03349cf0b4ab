// Makes a package of images at registries: an OCI layout in a tar that `push images`, skopeo, containerd and Docker
// read. Every image keeps its digest, unless platforms are chosen.

import { formatImageName, type ImageName } from "../core/image-name.ts";
import { downloadBlob } from "../registry/blob-download.ts";
import { inlineContent, streamContent } from "./content.ts";
import { fetchImage } from "./fetch-image.ts";
import { blobsOf, type ManifestNode, manifestsOf } from "./graph.ts";
import { OCI_INDEX } from "./manifest.ts";
import type { PushSession } from "./push-session.ts";
import { selectPlatforms } from "./select-platforms.ts";
import type { PackageFile } from "./write-package.ts";

export interface SaveSource {
  readonly name: ImageName;
  readonly session: PushSession;
}

export interface SavedImage {
  readonly image: string;
  readonly root: ManifestNode;
  readonly session: PushSession;
  readonly repository: string;
}

/** Fetches an image's manifests. Throws a text that names the image. */
export async function fetchForSave({ name, session }: SaveSource, platforms: readonly string[]): Promise<SavedImage> {
  const image = formatImageName(name);
  const reference = name.digest ?? name.tag ?? "latest";
  try {
    const { graph } = await fetchImage(session, { repository: name.repository, reference, platforms });
    const root = platforms.length === 0 ? graph.root : selectPlatforms(graph.root, platforms);
    if (root === null) throw new Error(`it has nothing for ${platforms.join(", ")}`);
    return { image, root, session, repository: name.repository };
  } catch (cause) {
    throw new Error(`Cannot save ${image}: ${(cause as Error).message}`, { cause });
  }
}

/** The files of the package, in their fixed order: what tells about the others first, then blobs by digest. */
export function packageFiles(images: readonly SavedImage[], signal: AbortSignal): PackageFile[] {
  const sorted = images.toSorted((a, b) => compare(a.image, b.image));
  const manifests = new Map<string, PackageFile>();
  const blobs = new Map<string, PackageFile>();
  for (const { root, session, repository } of sorted) {
    for (const node of manifestsOf(root)) manifests.set(node.digest, inlineFile(blobPath(node.digest), node.bytes));
    for (const { digest, size } of blobsOf(root)) {
      const blob = { repository, digest, size, ns: null };
      const read = () => downloadBlob(session.registry, { blob, options: session.retries }, signal);
      if (!blobs.has(digest)) blobs.set(digest, { name: blobPath(digest), size, read });
    }
  }
  return [
    inlineFile("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
    inlineFile("index.json", renderIndex(sorted)),
    ...sortByName([...manifests.values()]),
    ...sortByName(
      [...blobs.values()].filter((file) => ![...manifests.values()].some(({ name }) => name === file.name)),
    ),
  ];
}

/** containerd and Docker read the first annotation, everybody else the second. */
function renderIndex(images: readonly SavedImage[]): Buffer {
  const manifests = images.map(({ image, root }) => ({
    mediaType: root.mediaType,
    digest: root.digest,
    size: root.bytes.length,
    annotations: { "io.containerd.image.name": image, "org.opencontainers.image.ref.name": image },
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}

function inlineFile(name: string, bytes: Uint8Array): PackageFile {
  return { name, size: bytes.length, read: () => streamContent(inlineContent(bytes)) };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function sortByName(files: readonly PackageFile[]): PackageFile[] {
  return files.toSorted((a, b) => compare(a.name, b.name));
}

/** By code units: the order must not depend on a locale. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
