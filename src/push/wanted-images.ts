// Which images a mirror should have: from a list that people keep, or from what a running node has.

import { type ImageName, parseImageName } from "../core/image-name.ts";

export interface NamedWish {
  readonly name: ImageName;
  /** What the tag has to stand for; null if any content is right. */
  readonly digest: string | null;
}

/** Reads a list: one image a line, `#` starts a comment. Throws a text with every line that is no image name. */
export function parseImageList(text: string): NamedWish[] {
  const lines = text
    .split("\n")
    .map((line, index) => ({ line: line.replace(/(^|\s)#.*$/, "").trim(), number: index + 1 }));
  const named = lines
    .filter(({ line }) => line !== "")
    .map((entry) => ({ ...entry, name: parseImageName(entry.line) }));
  const wrong = named.filter(({ name }) => name === null);
  if (wrong.length > 0) {
    const places = wrong.map(({ line, number }) => `line ${number}: "${line}"`).join(", ");
    throw new Error(`Cannot read the list: expected image names, found ${places}`);
  }
  return named.flatMap(({ name }) => (name === null ? [] : [wishFor(name)]));
}

/** What containerd has: each tag with the digest that the same repository has there. */
export function wishesOfNode(
  images: readonly { readonly repoTags: readonly string[]; readonly repoDigests: readonly string[] }[],
): NamedWish[] {
  return images.flatMap(({ repoTags, repoDigests }) => {
    const digests = repoDigests.map(parseImageName).filter((name) => name !== null);
    const tagged = repoTags.map(parseImageName).filter((name) => name !== null);
    const untagged = digests.filter((name) => !tagged.some((tag) => sameRepository(tag, name)));
    const wishes = tagged.map((name) => {
      return { name, digest: digests.find((other) => sameRepository(name, other))?.digest ?? null };
    });
    return [...wishes, ...untagged.map(wishFor)];
  });
}

function wishFor(name: ImageName): NamedWish {
  const tag = name.tag === null && name.digest === null ? "latest" : name.tag;
  return { name: { ...name, tag }, digest: name.digest };
}

function sameRepository(a: ImageName, b: ImageName): boolean {
  return a.registry === b.registry && a.repository === b.repository;
}
