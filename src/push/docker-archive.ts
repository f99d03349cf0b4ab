// A `docker save` archive: manifest.json names configs, layers and tags, but no manifest exists, so one is made. It is
// made the same way every time, so that a second run finds its own digest at the registry. Layers stay as they are:
// compressing them here would make other bytes with every version of zlib. crane's tarballs hold gzip layers.
// Format: moby image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format".

import { createHash } from "node:crypto";
import { type Content, type FileContent, inlineContent, readContent, streamContent } from "./content.ts";
import { type Descriptor, DOCKER_MANIFEST, OCI_MANIFEST, parseJsonObject, readDescriptor } from "./manifest.ts";
import type { PackageImage, PackagePart } from "./package.ts";
import { type FileFormat, sniffFormat } from "./sniff.ts";
import type { FileTree } from "./tar-index.ts";

interface ArchiveImage {
  readonly Config: string;
  readonly Layers: readonly string[];
  readonly RepoTags: readonly string[] | null;
}

interface Layer {
  readonly digest: string;
  readonly format: FileFormat;
  readonly content: FileContent;
}

/** Reads the archive whose files lie under `root` ("" or "folder/"). */
export async function readDockerArchive(tree: FileTree, root: string, origin: string): Promise<PackagePart> {
  const blobs = new Map<string, Content>();
  const images: PackageImage[] = [];
  for (const image of await readArchiveImages(tree, root, origin)) {
    const descriptor = await addImage(image, { tree, root, origin, blobs });
    const names = image.RepoTags?.length ? image.RepoTags : [null];
    images.push(...names.map((name) => ({ name, root: descriptor, origin })));
  }
  return { images, blobs };
}

/** Whether the text of a manifest.json is one of `docker save`. */
export function parseArchiveImages(bytes: Uint8Array): readonly ArchiveImage[] | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return Array.isArray(value) && value.length > 0 && value.every(isArchiveImage) ? value : null;
  } catch {
    return null;
  }
}

interface Archive {
  readonly tree: FileTree;
  readonly root: string;
  readonly origin: string;
  readonly blobs: Map<string, Content>;
}

async function readArchiveImages(tree: FileTree, root: string, origin: string): Promise<readonly ArchiveImage[]> {
  const file = tree.get(`${root}manifest.json`);
  const images = file === undefined ? null : parseArchiveImages(await readContent(file));
  if (images === null) throw new Error(`Cannot read "${origin}/manifest.json": it is not one of docker save`);
  return images;
}

async function addImage(image: ArchiveImage, archive: Archive): Promise<Descriptor> {
  const config = await readContent(fileOf(archive, image.Config));
  const diffIds = readDiffIds(config, `${archive.origin}/${image.Config}`);
  const layers = await Promise.all(image.Layers.map((path, index) => readLayer(archive, path, diffIds[index])));
  if (layers.length !== diffIds.length) {
    throw new Error(
      `Cannot read "${archive.origin}": an image has ${layers.length} layers and ${diffIds.length} diff_ids`,
    );
  }
  for (const layer of layers) archive.blobs.set(layer.digest, layer.content);
  archive.blobs.set(sha256(config), inlineContent(config));
  const manifest = renderManifest(config, layers);
  archive.blobs.set(sha256(manifest.bytes), inlineContent(manifest.bytes));
  const descriptor = readDescriptor({ ...manifest, digest: sha256(manifest.bytes), size: manifest.bytes.length });
  return descriptor as Descriptor;
}

async function readLayer(archive: Archive, path: string, diffId: string | undefined): Promise<Layer> {
  const content = fileOf(archive, path);
  const format = await sniffFormat(content);
  // A plain layer's digest is its diff_id and is checked when it is sent; a compressed one's is written nowhere.
  const digest = format === "tar" || format === "other" ? diffId : await hashContent(content);
  if (digest === undefined) throw new Error(`Cannot read "${archive.origin}": no diff_id for layer "${path}"`);
  return { digest, format, content };
}

// Docker's own types have no word for plain or zstd layers that every client knows; OCI has.
function renderManifest(config: Uint8Array, layers: readonly Layer[]): { mediaType: string; bytes: Uint8Array } {
  const docker = layers.every((layer) => layer.format === "gzip");
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const configType = docker
    ? "application/vnd.docker.container.image.v1+json"
    : "application/vnd.oci.image.config.v1+json";
  const value = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: configType, size: config.length, digest: sha256(config) },
    layers: layers.map(({ digest, format, content }) => ({
      mediaType: layerType(format, docker),
      size: content.size,
      digest,
    })),
  };
  return { mediaType, bytes: Buffer.from(JSON.stringify(value)) };
}

function layerType(format: FileFormat, docker: boolean): string {
  if (docker) return "application/vnd.docker.image.rootfs.diff.tar.gzip";
  const suffix = format === "gzip" || format === "zstd" ? `+${format}` : "";
  return `application/vnd.oci.image.layer.v1.tar${suffix}`;
}

function fileOf({ tree, root, origin }: Archive, path: string): FileContent {
  const file = tree.get(root + path.replace(/^\.\//, ""));
  if (file === undefined) throw new Error(`Cannot read "${origin}": manifest.json names "${path}", which is not there`);
  return file;
}

function readDiffIds(config: Uint8Array, origin: string): readonly string[] {
  const { rootfs } = parseJsonObject(config) as { rootfs?: { diff_ids?: unknown } };
  const ids = rootfs?.diff_ids ?? [];
  if (Array.isArray(ids) && ids.every((id) => typeof id === "string")) return ids;
  throw new Error(`Cannot read "${origin}": it has no rootfs.diff_ids`);
}

async function hashContent(content: FileContent): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of streamContent(content)) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function isArchiveImage(value: unknown): value is ArchiveImage {
  const { Config, Layers } = (value ?? {}) as Partial<ArchiveImage>;
  return typeof Config === "string" && Array.isArray(Layers) && Layers.every((layer) => typeof layer === "string");
}
