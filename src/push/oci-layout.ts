// An OCI image layout (image-spec 1.1, image-layout.md), as skopeo, umoci, crane, oras, `docker save` since 25 and
// our own `save images` write it. They differ in where they put an image's name.

import { type Content, type FileContent, readContent } from "./content.ts";
import { type Descriptor, LARGEST_MANIFEST, parseManifest } from "./manifest.ts";
import type { PackagePart } from "./package.ts";
import type { FileTree } from "./tar-index.ts";

/** In the order of trust: Docker and containerd write the whole name, "ref.name" is often only the tag. */
const NAME_ANNOTATIONS = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/** Reads the layout whose files lie under `root` ("" or "folder/"). */
export async function readOciLayout(tree: FileTree, root: string, origin: string): Promise<PackagePart> {
  const file = tree.get(`${root}index.json`);
  if (file === undefined || file.size > LARGEST_MANIFEST)
    throw new Error(`Cannot read "${origin}": no usable index.json`);
  const index = await readIndex(file, origin);
  const images = index.map((descriptor) => ({ name: imageName(descriptor), root: descriptor, origin }));
  return { images, blobs: blobsUnder(tree, `${root}blobs/`) };
}

async function readIndex(file: FileContent, origin: string): Promise<readonly Descriptor[]> {
  try {
    return parseManifest(await readContent(file)).manifests;
  } catch (cause) {
    throw new Error(`Cannot read "${origin}/index.json": ${(cause as Error).message}`, { cause });
  }
}

function imageName(descriptor: Descriptor): string | null {
  const names = NAME_ANNOTATIONS.map((key) => descriptor.annotations[key]).filter((name) => name !== undefined);
  return names[0] ?? null;
}

function blobsUnder(tree: FileTree, folder: string): Map<string, Content> {
  const blobs = new Map<string, Content>();
  for (const [path, content] of tree) {
    if (!path.startsWith(folder)) continue;
    const [algorithm, encoded, ...rest] = path.slice(folder.length).split("/");
    if (encoded !== undefined && rest.length === 0) blobs.set(`${algorithm}:${encoded}`, content);
  }
  return blobs;
}
