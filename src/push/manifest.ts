// Manifests and indexes as values: only what pushing, proving and saving need of them. Their bytes are never written
// anew, for the digest is over the bytes. Formats: opencontainers/image-spec 1.1, Docker manifest schema 2.

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform: Platform | null;
  readonly annotations: Readonly<Record<string, string>>;
  /** The bytes themselves, where a writer put small ones into the descriptor. */
  readonly data: Uint8Array | null;
  readonly artifactType: string | null;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | null;
}

export interface Manifest {
  readonly mediaType: string;
  /** Of an index: what it lists. */
  readonly manifests: readonly Descriptor[];
  /** Of an image or artefact: config first, then layers. */
  readonly blobs: readonly Descriptor[];
  readonly subject: Descriptor | null;
  readonly artifactType: string | null;
  readonly annotations: Readonly<Record<string, string>>;
}

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** The registries' own limit (distribution: 4 MiB). */
export const LARGEST_MANIFEST = 4 * 1024 * 1024;

/** Whether a descriptor's type says that it is an index or a manifest. */
export function isManifestType(mediaType: string): boolean {
  return [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].includes(mediaType);
}

/** Layers that their maker forbids to hand on; a registry only has them if somebody pushed them all the same. */
export function isForeignLayer(mediaType: string): boolean {
  return mediaType.includes(".nondistributable.") || mediaType.includes(".foreign.");
}

/** Attestations hang in an index as manifests for a platform that does not exist (BuildKit). */
export function isAttestation(descriptor: Descriptor): boolean {
  return descriptor.annotations["vnd.docker.reference.type"] === "attestation-manifest";
}

/** Reads a manifest or an index. Throws a text that says what about it is wrong. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseJsonObject(bytes);
  if (value.schemaVersion === 1) throw new Error("it is a Docker schema 1 manifest, which containerd no longer pulls");
  const manifests = readDescriptors(value.manifests);
  const config = readDescriptor(value.config);
  const layers = readDescriptors(value.layers ?? value.blobs);
  if (value.manifests === undefined && config === null && value.blobs === undefined) {
    throw new Error("it is neither an image manifest nor an index");
  }
  return {
    mediaType: typeof value.mediaType === "string" ? value.mediaType : inferType(value.manifests !== undefined, config),
    manifests,
    blobs: config === null ? layers : [config, ...layers],
    subject: readDescriptor(value.subject),
    artifactType: readString(value.artifactType) ?? config?.mediaType ?? null,
    annotations: readTexts(value.annotations),
  };
}

/** Reads one descriptor; null if it is not one. */
export function readDescriptor(value: unknown): Descriptor | null {
  if (!isObject(value)) return null;
  const { mediaType, digest, size } = value;
  if (typeof digest !== "string" || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return null;
  return {
    mediaType: readString(mediaType) ?? "",
    digest,
    size,
    platform: readPlatform(value.platform),
    annotations: readTexts(value.annotations),
    data: typeof value.data === "string" ? Buffer.from(value.data, "base64") : null,
    artifactType: readString(value.artifactType),
  };
}

/** Parses JSON that has to be an object. */
export function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  if (isObject(value)) return value;
  throw new Error("it is not a JSON object");
}

function readDescriptors(value: unknown): Descriptor[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error("a list of descriptors is expected");
  return value.map((item) => {
    const descriptor = readDescriptor(item);
    if (descriptor === null) throw new Error("it lists a descriptor without digest or size");
    return descriptor;
  });
}

function inferType(isIndex: boolean, config: Descriptor | null): string {
  if (isIndex) return OCI_INDEX;
  return config?.mediaType.startsWith("application/vnd.docker.") ? DOCKER_MANIFEST : OCI_MANIFEST;
}

function readPlatform(value: unknown): Platform | null {
  if (!isObject(value) || typeof value.os !== "string" || typeof value.architecture !== "string") return null;
  return { os: value.os, architecture: value.architecture, variant: readString(value.variant) };
}

function readTexts(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  const texts = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return Object.fromEntries(texts);
}

function readString(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
