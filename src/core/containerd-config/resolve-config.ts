// What containerd makes of config.toml and its imports: which `config_path` counts, which file it comes from, and
// what is wrong. Each rule was read in the release's sources or tried on 1.6, 1.7 and 2.1; before anything is
// changed, the node's own binary is asked for the same answer (`config dump`), so a rule we have wrong stops us.

import { findProblems } from "./config-problems.ts";
import { findLegacy, type LegacyRegistry, tableAt } from "./legacy-registry.ts";
import { mergeImages } from "./merge-images.ts";
import { isMap, parseToml, type TomlMap, valueAt, withValueAt } from "./toml-text.ts";
import { type ContainerdVersion, CRI_V1, CRI_V2, CRI_V3 } from "./versions.ts";

/** A file as it was read; null where an import names one that does not exist (or the root is absent). */
export interface ConfigFile {
  readonly path: string;
  readonly text: string | null;
  /** Permission bits; absent where they are not known. */
  readonly mode?: number;
}

export interface ParsedFile {
  readonly path: string;
  readonly text: string;
  /** Its `version`; 0 if it has none. */
  readonly configVersion: number;
  readonly value: TomlMap;
  readonly mode?: number;
}

export interface ConfigProblem {
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** A sentence without a full stop and without anything from the file but names. */
  readonly message: string;
}

export interface ResolvedConfig {
  readonly rootPath: string;
  /** Those that parse, in the order in which containerd loads them. */
  readonly files: readonly ParsedFile[];
  readonly rootExists: boolean;
  /** The effective value; "" if none is set. */
  readonly configPath: string;
  /** The file whose value wins; null if none is set. */
  readonly configPathFrom: string | null;
  /** The table of the plugin that pulls images, as this version merges it. */
  readonly images: TomlMap;
  /** The whole registry table in it. */
  readonly registry: TomlMap;
  readonly legacy: LegacyRegistry;
  readonly problems: readonly ConfigProblem[];
}

export const CRI_PLUGINS = [CRI_V1, CRI_V2, CRI_V3] as const;

/** Resolves the files of one configuration, root first, in the order of loading; see `findImports`. */
export function resolveConfig(files: readonly ConfigFile[], version: ContainerdVersion): ResolvedConfig {
  const parsed = parseFiles(files);
  const images = mergeImages(parsed, version);
  const registry = tableAt(images, "registry");
  const configPath = stringAt(registry, ["config_path"]);
  return {
    rootPath: files[0]?.path ?? "",
    files: parsed,
    rootExists: (files[0]?.text ?? null) !== null,
    configPath,
    configPathFrom: findWinner(parsed, version),
    images,
    registry,
    legacy: findLegacy(registry),
    problems: findProblems(files, { parsed, images, version }),
  };
}

/** Where containerd keeps images, if one of the files says so: the last that does. */
export function findDataFolder({ files }: Pick<ResolvedConfig, "files">): string | null {
  const roots = files.map(({ value }) => stringAt(value, ["root"]));
  return roots.findLast((root) => root !== "") ?? null;
}

/** The patterns and paths that a file imports, as written; none if it does not parse. */
export function findImports(text: string): readonly string[] {
  const parsed = parseToml(text);
  const imports = parsed.ok ? parsed.value.imports : [];
  return Array.isArray(imports) ? imports.filter((item) => typeof item === "string") : [];
}

/** The files that parse, as values. */
export function parseFiles(files: readonly ConfigFile[]): ParsedFile[] {
  return files.flatMap(({ path, text, mode }) => {
    const parsed = text === null ? null : parseToml(text);
    if (text === null || !parsed?.ok) return [];
    const version = parsed.value.version;
    const configVersion = typeof version === "number" ? version : 0;
    return [{ path, text, value: parsed.value, configVersion, ...(mode === undefined ? {} : { mode }) }];
  });
}

/** The file whose config_path counts: the one where another value would change the outcome. */
function findWinner(files: readonly ParsedFile[], version: ContainerdVersion): string | null {
  const marker = "\0";
  for (const [index, file] of files.entries()) {
    for (const plugin of CRI_PLUGINS) {
      const path = ["plugins", plugin, "registry", "config_path"];
      if (valueAt(file.value, path) === undefined) continue;
      const marked = files.with(index, { ...file, value: withValueAt(file.value, path, marker) });
      if (valueAt(mergeImages(marked, version), ["registry", "config_path"]) === marker) return file.path;
    }
  }
  return null;
}

function stringAt(value: TomlMap, path: readonly string[]): string {
  const found = valueAt(value, path);
  return typeof found === "string" ? found : "";
}

/** A file's plugin sections. */
export function pluginsOf(file: ParsedFile): TomlMap {
  const plugins = file.value.plugins;
  return isMap(plugins) ? plugins : {};
}
