// Which folder below config_path containerd reads for a registry (remotes/docker/config/hosts.go, HostDirFromRoot, and
// config_unix.go, hostPaths): the first that exists, whatever is in it. Nothing is merged, and an empty folder of the
// registry hides `_default`.

import type { PullMode } from "./failure-cost.ts";

/** A path as it was found; links are followed. */
export type ObservedPlace =
  | { readonly kind: "missing" }
  | { readonly kind: "file" }
  /** Why it cannot be looked at: "permission denied". */
  | { readonly kind: "unreadable"; readonly problem: string }
  | { readonly kind: "folder"; readonly names: readonly string[]; readonly hostsToml: FileReading };

export type FileReading =
  | { readonly kind: "missing" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "unreadable"; readonly problem: string };

/** By path; what is not in it is missing. */
export type Places = ReadonlyMap<string, ObservedPlace>;

export interface FoundFolder {
  readonly kind: "found";
  readonly path: string;
  readonly names: readonly string[];
  readonly hostsToml: FileReading;
  /** Folders that exist and would be read if this one were not there. */
  readonly hidden: readonly string[];
}

export type ChosenFolder =
  | FoundFolder
  | { readonly kind: "none" }
  /** containerd fails every pull of the registry. */
  | { readonly kind: "fatal"; readonly because: string };

/** The folders that `config_path` stands for; none when it is not set. */
export function certsRoots(configPath: string, { isLocal }: Pick<PullMode, "isLocal">): readonly string[] {
  if (configPath === "") return [];
  return isLocal ? configPath.split(":").filter((root) => root !== "") : [configPath];
}

/** Where containerd looks, in its order. */
export function folderCandidates(roots: readonly string[], registry: string): readonly string[] {
  const underscored = registry.replace(/^(.+):([^:]*)$/s, "$1_$2_");
  const names = [...new Set([underscored, registry, "_default"])];
  return roots.flatMap((root) => names.map((name) => `${root.replace(/\/+$/, "")}/${name}`));
}

/** The folder that counts among the candidates. */
export function chooseFolder(candidates: readonly string[], places: Places): ChosenFolder {
  const exists = (path: string): boolean => (places.get(path)?.kind ?? "missing") !== "missing";
  const path = candidates.find(exists);
  const place = path === undefined ? undefined : places.get(path);
  if (path === undefined || place === undefined || place.kind === "missing") return { kind: "none" };
  if (place.kind === "file") return { kind: "fatal", because: `"${path}" is a file, where a folder is expected` };
  if (place.kind === "unreadable") return { kind: "fatal", because: `"${path}" cannot be read: ${place.problem}` };
  const { names, hostsToml } = place;
  if (hostsToml.kind === "unreadable") {
    return { kind: "fatal", because: `"${path}/hosts.toml" cannot be read: ${hostsToml.problem}` };
  }
  const later = candidates.slice(candidates.indexOf(path) + 1);
  return { kind: "found", path, names, hostsToml, hidden: later.filter(exists) };
}
