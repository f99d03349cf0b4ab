// Packages on disk as other tools write them, out of images of the laboratory.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Blob, Image } from "../lab/image.ts";

export interface LayoutEntry {
  /** For index.json; null: no name. */
  readonly name: string | null;
  readonly root: Blob;
  readonly images: readonly Image[];
}

/** Writes an OCI layout. */
export async function writeLayout(folder: string, entries: readonly LayoutEntry[]): Promise<void> {
  await mkdir(join(folder, "blobs/sha256"), { recursive: true });
  const blobs = entries.flatMap(({ root, images }) => [
    root,
    ...images.flatMap((one) => [one.manifest, one.config, ...one.layers]),
  ]);
  for (const { digest, bytes } of blobs) await writeFile(join(folder, "blobs", digest.replace(":", "/")), bytes);
  const manifests = entries.map(({ name, root: { mediaType, digest, bytes } }) => ({
    mediaType,
    digest,
    size: bytes.length,
    ...(name !== null && { annotations: { "org.opencontainers.image.ref.name": name } }),
  }));
  await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** Writes what `docker save` wrote before version 25: plain layers under names of their own, no manifest. */
export async function writeDockerSave(folder: string, image: Image, tags: readonly string[] | null): Promise<void> {
  const layers = image.layers.map((layer, index) => ({
    path: `layer-${index}/layer.tar`,
    bytes: gunzipSync(layer.bytes),
  }));
  for (const { path, bytes } of layers) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  const config = `${image.config.digest.slice(7)}.json`;
  await writeFile(join(folder, config), image.config.bytes);
  const manifest = [{ Config: config, RepoTags: tags, Layers: layers.map(({ path }) => path) }];
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
}
