// Names of images as containerd and Docker read them, and where a name lies in the mirror.
// Grammar: distribution/reference; a first part with a dot, a colon or an upper-case letter, or "localhost", is a
// registry, else it is docker.io.

import type { Registry } from "./mirror-config.ts";

export interface ImageName {
  readonly registry: Registry;
  /** With `library/` for Docker's short names, because that is the path which containerd asks for. */
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: string | null;
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const REGISTRY = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d+)?$/;

/** Reads `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`; null if it is no such name. Without tag and digest it stays so. */
export function parseImageName(text: string): ImageName | null {
  const [named = "", digest = null, ...rest] = text.split("@");
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : null;
  const { registry, repository } = splitRegistry(hasTag ? named.slice(0, colon) : named);
  if (rest.length > 0 || !REPOSITORY.test(repository) || !REGISTRY.test(registry)) return null;
  if (tag !== null && !TAG.test(tag)) return null;
  if (digest !== null && !DIGEST.test(digest)) return null;
  return { registry, repository, tag, digest };
}

/** Whether a text can be a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Whether a text can be the path of a repository. */
export function isRepository(text: string): boolean {
  return REPOSITORY.test(text);
}

/** The name in full: `docker.io/library/busybox:1.36`. */
export function formatImageName(name: ImageName): string {
  const tag = name.tag === null ? "" : `:${name.tag}`;
  const digest = name.digest === null ? "" : `@${name.digest}`;
  return `${name.registry}/${name.repository}${tag}${digest}`;
}

function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, slash);
  if (slash !== -1 && (/[.:A-Z]/.test(first) || first === "localhost")) {
    const registry = first === "index.docker.io" ? "docker.io" : first;
    return { registry, repository: libraryPath(registry, name.slice(slash + 1)) };
  }
  return { registry: "docker.io", repository: libraryPath("docker.io", name) };
}

function libraryPath(registry: string, repository: string): string {
  return registry === "docker.io" && !repository.includes("/") && repository !== ""
    ? `library/${repository}`
    : repository;
}
