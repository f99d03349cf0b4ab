// What explaining a pull needs of a manifest: the one for this platform, the smallest blob, the number of layers.

export interface ContentDescriptor {
  readonly digest: string;
  readonly size: number;
}

export type ReadManifest =
  | { readonly kind: "index"; readonly child: string | null }
  | { readonly kind: "image"; readonly smallest: ContentDescriptor; readonly layers: number }
  | { readonly kind: "unknown" };

/** Reads a manifest or an index; `architecture` in Go's words. What is neither is no error. */
export function readManifest(text: string, architecture: string): ReadManifest {
  const value = parseJson(text);
  if (Array.isArray(value?.manifests)) return { kind: "index", child: findChild(value.manifests, architecture) };
  const config = asDescriptor(value?.config);
  const layers = Array.isArray(value?.layers) ? value.layers.flatMap((layer) => asDescriptor(layer) ?? []) : [];
  if (config === null) return { kind: "unknown" };
  const [smallest = config] = [config, ...layers].toSorted((a, b) => a.size - b.size);
  return { kind: "image", smallest, layers: layers.length };
}

type Json = Readonly<Record<string, unknown>>;

function findChild(manifests: readonly unknown[], architecture: string): string | null {
  const found = manifests.find((item) => {
    const platform = isObject(item) && isObject(item.platform) ? item.platform : {};
    return platform.os === "linux" && platform.architecture === architecture;
  });
  return asDescriptor(found)?.digest ?? null;
}

function asDescriptor(value: unknown): ContentDescriptor | null {
  if (!isObject(value) || typeof value.digest !== "string" || typeof value.size !== "number") return null;
  return { digest: value.digest, size: value.size };
}

function parseJson(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
