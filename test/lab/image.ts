// Builds small images in the OCI format: always the same bytes for the same description.

import { createCipheriv, createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface Image {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

export interface ImageDescription {
  /** Images with different seeds share no blob. */
  readonly seed?: string;
  /** Bytes of the one file in each layer, which does not compress; by default one layer of 1000. */
  readonly layerSizes?: readonly number[];
  readonly architecture?: string;
}

const OCI = "application/vnd.oci.image";

export function buildImage(description: ImageDescription = {}): Image {
  const { seed = "", layerSizes = [1000], architecture = process.arch === "arm64" ? "arm64" : "amd64" } = description;
  const archives = layerSizes.map((size, index) => tar(`layer-${index}`, noise(`${seed}/${index}`, size)));
  const layers = archives.map((archive) => blob(`${OCI}.layer.v1.tar+gzip`, gzipSync(archive, { level: 1 })));
  const config = json(`${OCI}.config.v1+json`, {
    architecture,
    os: "linux",
    config: { Labels: { seed } },
    rootfs: { type: "layers", diff_ids: archives.map(sha256) },
  });
  const manifest = json(`${OCI}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { manifest, config, layers };
}

/** The manifest of a multi-architecture image. */
export function buildIndex(images: Readonly<Record<string, Image>>): Blob {
  return json(`${OCI}.index.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: Object.entries(images).map(([architecture, image]) => ({
      ...descriptor(image.manifest),
      platform: { architecture, os: "linux" },
    })),
  });
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function blob(mediaType: string, bytes: Buffer): Blob {
  return { mediaType, bytes, digest: sha256(bytes) };
}

function json(mediaType: string, value: object): Blob {
  return blob(mediaType, Buffer.from(JSON.stringify(value)));
}

function descriptor({ mediaType, digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length };
}

function noise(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

// A tar archive of one file: https://www.gnu.org/software/tar/manual/html_node/Standard.html
function tar(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(["0000644", "0000000", "0000000", ""].join("\0"), 100);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0        0", 136); // time of change, eight blanks for the checksum, regular file
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
}
