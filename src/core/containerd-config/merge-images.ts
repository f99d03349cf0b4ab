// How the releases put the settings of the CRI's images together from several files, the registry table above all
// (containerd's own cmd/containerd/server/config/config.go and the CRI's configMigration; all of it tried but what is
// 2.3's).

import type { ParsedFile } from "./resolve-config.ts";
import { isMap, type TomlMap, valueAt } from "./toml-text.ts";
import { type ContainerdVersion, CRI_V1, CRI_V2, CRI_V3, importsReplacePlugins, migratesEachFile } from "./versions.ts";

/** The effective table of the plugin that pulls images, as it is called in this version; {} if no file has one. */
export function mergeImages(files: readonly ParsedFile[], version: ContainerdVersion): TomlMap {
  if (importsReplacePlugins(version)) return mergeWholePlugins(files, version);
  return migratesEachFile(version) ? mergeMigrated(files) : migrateMerged(files, version);
}

/**
 * The `version` by which the merged plugin sections are read. 1.x: the last that a file names. 2.x: a file without
 * one, or with version 1, is lifted to what the files before it had come to. 0 if there is none.
 */
export function mergedVersion(files: readonly ParsedFile[], version: ContainerdVersion): number {
  const lowest = importsReplacePlugins(version) ? 1 : 2;
  return files.findLast((file) => file.configVersion >= lowest)?.configVersion ?? 0;
}

/** 1.x: the last file that has the plugin at all has all of it. */
function mergeWholePlugins(files: readonly ParsedFile[], version: ContainerdVersion): TomlMap {
  const plugin = mergedVersion(files, version) < 2 ? CRI_V1 : CRI_V2;
  const last = files.findLast((file) => valueAt(file.value, ["plugins", plugin]) !== undefined);
  return mapAt(last?.value, ["plugins", plugin]);
}

/** 2.0 to 2.2: everything is merged key by key, then migrated by the version that came out last. */
function migrateMerged(files: readonly ParsedFile[], version: ContainerdVersion): TomlMap {
  const merged = files.map(renamePlugins).reduce(mergeDeep, {});
  return mergedVersion(files, version) === 2 ? migrate(merged) : mapAt(merged, [CRI_V3]);
}

/** 2.3: each file is migrated by its own version, then merged. */
function mergeMigrated(files: readonly ParsedFile[]): TomlMap {
  return files.map(migrateFile).reduce(mergeDeep, {});
}

function migrateFile(file: ParsedFile): TomlMap {
  const plugins = renamePlugins(file);
  return file.configVersion < 4 ? migrate(plugins) : mapAt(plugins, [CRI_V3]);
}

// v2.1.9:plugins/cri/images/plugin.go, migrateConfig: what the older plugin has takes the place of the newer one's.
function migrate(plugins: TomlMap): TomlMap {
  const old = mapAt(plugins, [CRI_V2]);
  const inner = valueAt(old, ["containerd", "runtimes"]) === undefined ? {} : mapAt(old, ["containerd"]);
  return { ...mapAt(plugins, [CRI_V3]), ...pick(old, MOVED), ...pick(inner, MOVED_FROM_CONTAINERD) };
}

const MOVED = ["registry", "max_concurrent_downloads", "image_pull_progress_timeout", "image_pull_with_sync_fs"];
const MOVED_FROM_CONTAINERD = ["disable_snapshot_annotations", "discard_unpacked_layers"];

function pick(table: TomlMap, keys: readonly string[]): TomlMap {
  return Object.fromEntries(keys.flatMap((key) => (table[key] === undefined ? [] : [[key, table[key]]])));
}

function renamePlugins(file: ParsedFile): TomlMap {
  const plugins = mapAt(file.value, ["plugins"]);
  const { [CRI_V1]: short, ...others } = plugins;
  return short === undefined ? plugins : { ...others, [CRI_V2]: short };
}

function mergeDeep(to: TomlMap, from: TomlMap): TomlMap {
  const merged: Record<string, unknown> = { ...to };
  for (const [key, value] of Object.entries(from)) {
    const before = merged[key];
    merged[key] = isMap(before) && isMap(value) ? mergeDeep(before, value) : value;
  }
  return merged;
}

function mapAt(value: unknown, path: readonly string[]): TomlMap {
  const found = valueAt(value, path);
  return isMap(found) ? found : {};
}
