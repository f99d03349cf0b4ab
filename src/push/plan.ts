// Which image goes where, and which cannot go anywhere and why: decided before the first byte is sent.

import { formatImageName, type ImageName } from "../core/image-name.ts";
import { passesGlobs } from "./glob.ts";
import { type Blob, blobsOf, type Graph, type ManifestNode, manifestsOf } from "./graph.ts";
import { isForeignLayer } from "./manifest.ts";
import { nameImage } from "./name-image.ts";
import type { PackageImage } from "./package.ts";
import { mirrorRepository } from "./push-address.ts";
import { selectPlatforms } from "./select-platforms.ts";

export interface LoadedImage {
  readonly image: PackageImage;
  readonly graph: Graph;
}

export interface PlanOptions {
  readonly namespace: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Empty: all. */
  readonly platforms: readonly string[];
}

export interface PlannedImage {
  /** For people: "gcr.io/a/b:1.0". */
  readonly name: string;
  /** Whose image it is, for `?ns=`. */
  readonly registry: string;
  /** At the mirror, with namespace. */
  readonly repository: string;
  /** Null: by digest only. */
  readonly tag: string | null;
  readonly root: ManifestNode;
  /** Signatures and the like that point at the image and travel with it. */
  readonly referrers: readonly ManifestNode[];
}

export interface PushPlan {
  readonly images: readonly PlannedImage[];
  readonly problems: readonly PlanProblem[];
  /** Names that were taken from a place in the package. */
  readonly guessed: readonly string[];
}

export interface PlanProblem {
  readonly image: string;
  readonly message: string;
}

/** Plans every image of a package; an image is either in `images`, in `problems` or excluded. */
export function planPush(loaded: readonly LoadedImage[], options: PlanOptions): PushPlan {
  const { roots, referrers } = splitReferrers(loaded);
  const outcomes = roots.map((one) => planImage(one, referrers, options));
  const planned = outcomes.flatMap((outcome) => (outcome.kind === "planned" ? [outcome] : []));
  const images = [...new Map(planned.map(({ image }) => [`${placeOf(image)} ${image.root.digest}`, image])).values()];
  return {
    images: images.filter((image) => findRival(image, images) === null),
    problems: [
      ...outcomes.flatMap((outcome) => (outcome.kind === "problem" ? [outcome.problem] : [])),
      ...images.flatMap((image) => rivalProblem(image, findRival(image, images))),
    ],
    guessed: planned.filter(({ guessed }) => guessed).map(({ image }) => image.name),
  };
}

/** Where an image will be: "team-a/pause:3.9" or "team-a/pause@sha256:…". */
export function placeOf({ repository, tag, root }: PlannedImage): string {
  return tag === null ? `${repository}@${root.digest}` : `${repository}:${tag}`;
}

interface Split {
  readonly roots: readonly LoadedImage[];
  /** By the digest that they point at. */
  readonly referrers: ReadonlyMap<string, readonly ManifestNode[]>;
}

/** Parts of a named image, and what points at one, may stand in the index beside it without a name of their own. */
function splitReferrers(loaded: readonly LoadedImage[]): Split {
  const named = loaded.filter(({ image }) => image.name !== null);
  const parts = new Set(named.flatMap(({ graph }) => manifestsOf(graph.root).map((node) => node.digest)));
  const nameless = loaded.filter(({ image, graph }) => image.name === null && !parts.has(graph.root.digest));
  const known = new Set(loaded.flatMap(({ graph }) => manifestsOf(graph.root).map((node) => node.digest)));
  const referrers = new Map<string, ManifestNode[]>();
  const isReferrer = ({ graph }: LoadedImage): boolean => known.has(graph.root.manifest.subject?.digest ?? "");
  for (const { graph } of nameless.filter(isReferrer)) {
    const subject = graph.root.manifest.subject?.digest ?? "";
    referrers.set(subject, [...(referrers.get(subject) ?? []), graph.root]);
  }
  return { roots: [...named, ...nameless.filter((one) => !isReferrer(one))], referrers };
}

type Outcome =
  | { readonly kind: "planned"; readonly image: PlannedImage; readonly guessed: boolean }
  | { readonly kind: "problem"; readonly problem: PlanProblem }
  | { readonly kind: "excluded" };

function planImage({ image, graph }: LoadedImage, referrers: Split["referrers"], options: PlanOptions): Outcome {
  const named = nameImage(image);
  if (typeof named === "string") return problem(image.origin, named);
  const name = formatImageName(named.name);
  if (!passesGlobs(name, options)) return { kind: "excluded" };
  const root = options.platforms.length === 0 ? graph.root : selectPlatforms(graph.root, options.platforms);
  if (root === null) return problem(name, `it has nothing for ${options.platforms.join(", ")}`);
  const wrong = findNameProblem(named.name, root) ?? findMissingManifest(graph, root) ?? findBlobProblem(root);
  if (wrong !== null) return problem(name, wrong);
  const { registry, repository, tag } = named.name;
  const place = mirrorRepository(options, repository);
  if (place.length > 255) return problem(name, `"${place}" is longer than the 255 characters that registries allow`);
  const attached = allReferrers(root, referrers);
  return {
    kind: "planned",
    image: { name, registry, repository: place, tag, root, referrers: attached },
    guessed: named.guessed,
  };
}

function problem(image: string, message: string): Outcome {
  return { kind: "problem", problem: { image, message } };
}

function findNameProblem({ digest }: ImageName, root: ManifestNode): string | null {
  if (digest === null || digest === root.digest) return null;
  return `its name asks for ${digest}, the package has ${root.digest}`;
}

function findMissingManifest({ missing }: Graph, root: ManifestNode): string | null {
  const indexes = new Set(manifestsOf(root).map((node) => node.digest));
  const lost = missing.filter(({ index }) => indexes.has(index));
  const [first] = lost;
  if (first === undefined) return null;
  const { os, architecture } = first.descriptor.platform ?? { os: "an unnamed", architecture: "platform" };
  const more = lost.length > 1 ? ` and ${lost.length - 1} more` : "";
  return `the package lacks ${first.descriptor.digest} for ${os}/${architecture}${more}, and registries refuse an index with gaps; choose what it has with --platform`;
}

function findBlobProblem(root: ManifestNode): string | null {
  const bad = blobsOf(root).find((blob) => blob.content?.size !== blob.size);
  return bad === undefined ? null : blobProblem(bad);
}

function blobProblem({ digest, size, mediaType, content }: Blob): string {
  if (content !== null) return `the package is damaged: blob ${digest} has ${content.size} bytes instead of ${size}`;
  if (!isForeignLayer(mediaType)) return `the package lacks blob ${digest}`;
  return `the package lacks blob ${digest}, a layer that may not be handed on (${mediaType}); save the image again with such layers`;
}

/** Referrers of the image, of its parts, and of those referrers again: a signature on an SBOM. */
function allReferrers(root: ManifestNode, referrers: Split["referrers"]): ManifestNode[] {
  const found: ManifestNode[] = [];
  const queue = manifestsOf(root);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const fresh = (referrers.get(next.digest) ?? []).filter((node) => !found.includes(node));
    found.push(...fresh);
    queue.push(...fresh);
  }
  return found;
}

/** Registries' names are dropped, so gcr.io/a/b:1 and docker.io/a/b:1 meet at one place. */
function findRival(image: PlannedImage, images: readonly PlannedImage[]): PlannedImage | null {
  const place = placeOf(image);
  return images.find((other) => other.root.digest !== image.root.digest && placeOf(other) === place) ?? null;
}

function rivalProblem(image: PlannedImage, rival: PlannedImage | null): PlanProblem[] {
  if (rival === null) return [];
  const twice = "the package holds it twice, with different content; push one part of the package alone";
  if (rival.name === image.name) return [{ image: image.name, message: twice }];
  const message = `"${rival.name}" would go to the same place, ${placeOf(image)}, with other content; push one of them with --exclude or into another namespace`;
  return [{ image: image.name, message }];
}
