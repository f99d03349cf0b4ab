// The package that pushes are measured with: 24 images that share layers as images of one product do. 3 bases of 20 MB,
// 4 runtimes of 4 MB, and 5 MB of each image's own, which do not compress: about 200 MB unique, 700 MB referenced.

import { createCipheriv, createHash } from "node:crypto";
import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface BenchPackage {
  /** All images in one OCI layout. */
  readonly all: string;
  /** One layout for each image, with the same files: crane and skopeo push one at a time. */
  readonly each: readonly { readonly name: string; readonly folder: string }[];
  readonly uniqueBytes: number;
  readonly referencedBytes: number;
}

interface Stored {
  readonly digest: string;
  readonly size: number;
}

const MB = 1e6;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Writes the package under `folder`; the same bytes each time. */
export function makeBenchPackage(folder: string, images = 24): BenchPackage {
  const all = join(folder, "all");
  mkdirSync(join(all, "blobs/sha256"), { recursive: true });
  const sizes = new Map<string, number>();
  const store = (bytes: Buffer): Stored => {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    writeFileSync(join(all, "blobs", digest.replace(":", "/")), bytes);
    sizes.set(digest, bytes.length);
    return { digest, size: bytes.length };
  };
  const bases = [0, 1, 2].map((base) =>
    [12, 6, 2].map((size, part) => store(noise(`base ${base} ${part}`, size * MB))),
  );
  const runtimes = [0, 1, 2, 3].map((runtime) => store(noise(`runtime ${runtime}`, 4 * MB)));
  const made = Array.from({ length: images }, (_, number) => {
    const own = [4.5, 0.5].map((size, part) => store(noise(`image ${number} ${part}`, size * MB)));
    const layers = [...(bases[number % 3] ?? []), runtimes[number % 4] as Stored, ...own];
    const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
    const config = store(
      json({ architecture: "amd64", os: "linux", config: { Labels: { number: `${number}` } }, rootfs }),
    );
    const entries = layers.map((layer) => ({ mediaType: LAYER, ...layer }));
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, ...config },
      layers: entries,
    };
    return { number, parts: [config, ...layers], manifest: store(json(manifest)) };
  });
  const entry = ({ number, manifest }: (typeof made)[number]) => ({
    mediaType: MANIFEST,
    ...manifest,
    annotations: { "org.opencontainers.image.ref.name": `gcr.io/bench/image-${number}:1.0` },
  });
  writeIndex(all, made.map(entry));
  const each = made.map((image) => {
    const alone = join(folder, `image-${image.number}`);
    mkdirSync(join(alone, "blobs/sha256"), { recursive: true });
    for (const { digest } of [image.manifest, ...image.parts]) link(all, alone, digest);
    writeIndex(alone, [entry(image)]);
    return { name: `bench/image-${image.number}:1.0`, folder: alone };
  });
  const referenced = made.flatMap(({ parts, manifest }) => [manifest, ...parts]);
  return { all, each, uniqueBytes: sum([...sizes.values()]), referencedBytes: sum(referenced.map(({ size }) => size)) };
}

function writeIndex(folder: string, manifests: readonly object[]): void {
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, "index.json"), json({ schemaVersion: 2, manifests }));
}

function link(from: string, to: string, digest: string): void {
  const path = `blobs/${digest.replace(":", "/")}`;
  linkSync(join(from, path), join(to, path));
}

function noise(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
