// The image that deep probes of a mirror fetch: the one that the operator names, or one that this node has. What
// the node runs, a mirror of its registry most likely holds; by digest, since a tag may have moved on.

import { parseImageName } from "./image-name.ts";
import type { Mirror, ProbeImage, Registry } from "./mirror-config.ts";
import type { ProbeReason } from "./probe-result.ts";

export interface Canary {
  /** What `?ns=` says. */
  readonly registry: Registry;
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
  /** Named by the operator, who promises that the mirror serves it. */
  readonly isPromised: boolean;
}

/** An image on this node, as the CRI lists it. */
export interface NodeImage {
  /** "gcr.io/google-containers/pause@sha256:..." */
  readonly repoDigests: readonly string[];
  readonly size: number;
}

/** The image that the operator names for a mirror; null if there is none of a registry that it mirrors. */
export function promisedCanary({ hosts, probe }: Pick<Mirror, "hosts" | "probe">): Canary | null {
  if (probe.image === null) return null;
  const { registry, repository, reference } = inFull(probe.image, hosts);
  return isMirrored(registry, hosts) ? { registry, repository, reference, isPromised: true } : null;
}

/** Images of a mirror's registries that this node has: the smallest first, always in the same order. */
export function findCanaries(images: readonly NodeImage[], hosts: readonly Registry[]): Canary[] {
  const named = images.flatMap(({ repoDigests, size }) => repoDigests.map((text) => ({ text, size })));
  const ordered = named.sort((a, b) => a.size - b.size || (a.text < b.text ? -1 : 1));
  return ordered.flatMap(({ text }) => {
    const name = parseImageName(text);
    if (name?.digest?.startsWith("sha256:") !== true || !isMirrored(name.registry, hosts)) return [];
    return [{ registry: name.registry, repository: name.repository, reference: name.digest, isPromised: false }];
  });
}

/** For people: "gcr.io/google-containers/pause@sha256:0123456789ab". */
export function nameOfCanary({ registry, repository, reference }: Canary): string {
  const mark = reference.startsWith("sha256:") ? "@" : ":";
  return `${registry}/${repository}${mark}${reference.slice(0, mark === "@" ? 19 : undefined)}`;
}

const SAYS_ABSENT: ReadonlySet<ProbeReason> = new Set(["not-found", "unauthorized", "forbidden", "client-error"]);

/** Whether a failed deep probe says no more than that this image is not for us at this mirror. */
export function isUnfit({ isPromised }: Canary, reason: ProbeReason): boolean {
  // A pull secret of a pod may have opened what the mirror's own credential does not.
  return !isPromised && SAYS_ABSENT.has(reason);
}

function inFull(
  { registry, repository, reference }: ProbeImage,
  hosts: readonly Registry[],
): ProbeImage & { registry: Registry } {
  const chosen = registry ?? hosts.find((host) => host !== "*") ?? "docker.io";
  const isShort = chosen === "docker.io" && !repository.includes("/");
  return { registry: chosen, repository: isShort ? `library/${repository}` : repository, reference };
}

function isMirrored(registry: Registry, hosts: readonly Registry[]): boolean {
  return hosts.includes(registry) || hosts.includes("*");
}
