// What an image of a package is called. Docker and containerd write the whole name, many writers only a tag, some
// nothing; then the place in the package has to do, and the user is told.

import { type ImageName, isRepository, isTag, parseImageName } from "../core/image-name.ts";
import type { PackageImage } from "./package.ts";

export interface NamedImage {
  readonly name: ImageName;
  /** The package names no repository, so this one comes from the image's place in the package. */
  readonly guessed: boolean;
}

const EXTENSIONS = /(\.(tar|tgz|txz|tzst|gz|xz|zst|oci|oci-archive|docker-archive))+$/;

/** Names an image; a text that says why it cannot be named otherwise. */
export function nameImage({ name, origin }: PackageImage): NamedImage | string {
  if (name !== null && /[/:]/.test(name)) {
    const parsed = parseImageName(name);
    return parsed === null ? `"${name}" in "${origin}" is no image name` : { name: withTag(parsed), guessed: false };
  }
  if (name !== null && !isTag(name)) return `"${name}" in "${origin}" is no tag`;
  const place = nameOfPlace(origin);
  if (place === null) return `"${origin}" has no name, and its place in the package makes none`;
  return { name: { ...place, tag: name ?? place.tag }, guessed: true };
}

/** "gcr.io/a/b" means ":latest" to every tool that writes it into a package. */
function withTag(name: ImageName): ImageName {
  return name.tag === null && name.digest === null ? { ...name, tag: "latest" } : name;
}

/** `package.tar/gcr.io/pause:3.9.tar` is gcr.io/pause:3.9: the package's own name goes, unless it is all there is. */
function nameOfPlace(origin: string): ImageName | null {
  const steps = origin.split("/").filter((step) => step !== "");
  const path = (steps.length > 1 ? steps.slice(1) : steps).join("/").replace(EXTENSIONS, "");
  const parsed = parseImageName(decodePath(path));
  if (parsed !== null) return parsed;
  const plain = path.toLowerCase().replace(/[^a-z0-9/._-]+/g, "-");
  return isRepository(plain) ? parseImageName(plain) : null;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
