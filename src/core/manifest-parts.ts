// What a manifest refers to, as far as a probe follows it (opencontainers/image-spec 1.1, Docker schema 2).

import * as z from "zod";

const descriptor = z.object({
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().nonnegative(),
  platform: z.object({ os: z.string(), architecture: z.string() }).nullish(),
});

const manifest = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(descriptor).nullish(),
  config: descriptor.nullish(),
  layers: z.array(descriptor).nullish(),
});

export interface BlobPart {
  readonly digest: string;
  readonly size: number;
}

export interface ManifestParts {
  /** Of an index: the digest of the manifest for `architecture`, or of the first; null if it is none. */
  readonly child: string | null;
  /** Its smallest blob, and the next one of `enoughBytes` where that is smaller; none if it has no blobs. */
  readonly blobs: readonly BlobPart[];
}

interface Wanted {
  readonly architecture: string;
  /** Many enough to tell a blob that comes from one that trickles. */
  readonly enoughBytes: number;
}

/** What to fetch next; null if the text is no manifest. */
export function readManifestParts(text: string, { architecture, enoughBytes }: Wanted): ManifestParts | null {
  const parsed = manifest.safeParse(parseJson(text));
  if (!parsed.success) return null;
  const { manifests, config, layers } = parsed.data;
  const fitting = manifests?.find(({ platform }) => platform?.os === "linux" && platform.architecture === architecture);
  const blobs = [...(config ? [config] : []), ...(layers ?? [])].sort((a, b) => a.size - b.size);
  const enough = blobs.findIndex(({ size }) => size >= enoughBytes);
  const wanted = blobs.filter((_, index) => index === 0 || index === enough);
  return { child: (fitting ?? manifests?.[0])?.digest ?? null, blobs: wanted };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
