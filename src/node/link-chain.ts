// Which directory entries decide what a path leads to: every symlink on the way, and the file in the end.
// Kubernetes publishes a ConfigMap as `config.yaml -> ..data/config.yaml` and `..data -> ..2026_01_01`, and
// changes it by renaming another link over `..data`: the file that was watched never changes.

import { readlinkSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";

/** Where links that lead to each other end (path_resolution(7)). */
const MOST_LINKS = 40;

/** Reads a link, null if it is none or nothing is there. */
export type ReadLink = (path: string) => string | null;

/**
 * The links on the way of an absolute path, in order, then the path without links, whether or not it exists. Where
 * links lead to each other only they are returned.
 */
export function findLinkChain(path: string, readLink: ReadLink): readonly string[] {
  const links: string[] = [];
  const rest = path.split("/").filter(Boolean);
  let at = "/";
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const next = name === ".." ? dirname(at) : join(at, name);
    const target = name === ".." ? null : readLink(next);
    if (target === null) {
      at = next;
      continue;
    }
    if (links.length === MOST_LINKS) return [...new Set(links)];
    links.push(next);
    rest.unshift(...target.split("/").filter(Boolean));
    if (isAbsolute(target)) at = "/";
  }
  return [...links, at];
}

/** Reads links from the disk, each path once: a thousand files share their folders. */
export function createLinkReader(): ReadLink {
  const known = new Map<string, string | null>();
  return (path) => {
    const before = known.get(path);
    if (before !== undefined) return before;
    const target = readLinkOrNull(path);
    known.set(path, target);
    return target;
  };
}

function readLinkOrNull(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
