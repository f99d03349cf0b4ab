// An image as the distribution API serves it, small and whole enough for containerd to unpack.

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

export interface RegistryFile {
  readonly type: string;
  readonly body: Buffer;
}

/** By path: "/v2/REPOSITORY/manifests/TAG", ".../manifests/DIGEST", ".../blobs/DIGEST". */
export type RegistryFiles = ReadonlyMap<string, RegistryFile>;

/** A one-layer image; the layer is an archive without files, padded to at least `layerBytes`. */
export function makeImageFiles(repository: string, tag: string, { layerBytes = 1024 } = {}): RegistryFiles {
  const archive = Buffer.alloc(Math.max(1024, layerBytes));
  const layer = { type: "application/octet-stream", body: gzipSync(archive, { level: 0 }) };
  const config = json("application/octet-stream", {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [sha256(archive)] },
  });
  const manifest = json("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: describe("application/vnd.oci.image.config.v1+json", config),
    layers: [describe("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
  });
  const root = `/v2/${repository}`;
  return new Map([
    [`${root}/manifests/${tag}`, manifest],
    [`${root}/manifests/${sha256(manifest.body)}`, manifest],
    [`${root}/blobs/${sha256(config.body)}`, config],
    [`${root}/blobs/${sha256(layer.body)}`, layer],
  ]);
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function json(type: string, value: unknown): RegistryFile {
  return { type, body: Buffer.from(JSON.stringify(value)) };
}

function describe(mediaType: string, file: RegistryFile): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: sha256(file.body), size: file.body.length };
}
