// An image as the distribution API serves it: a body for each path. Servers of ours answer from it.

import { type Blob, buildImage, type Image } from "./image.ts";

export interface RegistryFile {
  readonly type: string;
  readonly body: Buffer;
}

/** By path: "/v2/REPOSITORY/manifests/TAG", ".../manifests/DIGEST", ".../blobs/DIGEST". */
export type RegistryFiles = ReadonlyMap<string, RegistryFile>;

/** A small image of one layer of about `layerBytes`. */
export function makeImageFiles(repository: string, tag: string, { layerBytes = 1024 } = {}): RegistryFiles {
  return filesOf(buildImage({ layerSizes: [layerBytes] }), repository, tag);
}

export function filesOf(image: Image, repository: string, tag: string): RegistryFiles {
  const root = `/v2/${repository}`;
  const manifest = { type: image.manifest.mediaType, body: image.manifest.bytes };
  const blob = ({ digest, bytes }: Blob) =>
    [`${root}/blobs/${digest}`, { type: "application/octet-stream", body: bytes }] as const;
  return new Map([
    [`${root}/manifests/${tag}`, manifest],
    [`${root}/manifests/${image.manifest.digest}`, manifest],
    ...[image.config, ...image.layers].map(blob),
  ]);
}
