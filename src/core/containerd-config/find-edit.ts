// Finds the file and the table where config_path has to be set so that it counts. Instead of rules about which file
// wins, each place is tried and the outcome resolved again; the first that gives the wanted value and leaves the
// rest of the registry table alone is taken.

import type { RegistryAuth } from "./edit-auth.ts";
import { type ConfigPathUndo, createConfigPath, editConfigPath } from "./edit-config-path.ts";
import { mergedVersion } from "./merge-images.ts";
import { CRI_PLUGINS, type ParsedFile, pluginsOf, type ResolvedConfig, resolveConfig } from "./resolve-config.ts";
import { isSameValue, type TomlMap, valueAt, withValueAt } from "./toml-text.ts";
import { type ContainerdVersion, criPlugin, newConfigVersion } from "./versions.ts";

export interface FileEdit {
  readonly path: string;
  /** Null if there was no such file. */
  readonly oldText: string | null;
  /** Null to remove the file. */
  readonly newText: string | null;
  /** Null where it does not set config_path. */
  readonly undo: ConfigPathUndo | null;
  /** What it takes out of the registry table beside setting config_path: paths in that table. */
  readonly drops: readonly (readonly string[])[];
  /** The credentials that it sets or takes out. */
  readonly auths: readonly AuthChange[];
  /** Whether it takes out everything that is ours. */
  readonly isRestore: boolean;
}

export interface AuthChange {
  readonly host: string;
  /** Null: none of ours. */
  readonly auth: RegistryAuth | null;
}

export type FoundEdit =
  | { readonly ok: true; readonly edit: FileEdit }
  | { readonly ok: false; readonly because: string };

/** The edit after which `config_path` is effectively `wanted`. The configuration must be free of errors. */
export function findConfigPathEdit(
  config: ResolvedConfig,
  { version, wanted }: { version: ContainerdVersion; wanted: string },
): FoundEdit {
  const root = config.files[0];
  if (!root || Object.keys(root.value).length === 0) return createRoot(config, { version, wanted });
  const found = findPlace(config, {
    version,
    key: ["config_path"],
    edit: (text, plugin) => editConfigPath(text, { plugin, wanted }),
    isWanted: (registry) => isSameValue(registry, withValueAt(config.registry, ["config_path"], wanted)),
  });
  if (!found.ok) return found;
  const { file, result } = found;
  return editOf(file.path, { oldText: file.text, newText: result.text, undo: result.undo });
}

export interface Search<Result> {
  readonly version: ContainerdVersion;
  /** What is set, below the registry table. */
  readonly key: readonly string[];
  readonly edit: (text: string, plugin: string) => Result | Refusal;
  /** Whether this may be the effective registry table afterwards. */
  readonly isWanted: (registry: TomlMap) => boolean;
}

export interface Refusal {
  readonly ok: false;
  readonly because: string;
}

/** Tries an edit in each place where it may count. */
export function findPlace<Result extends { readonly ok: true; readonly text: string }>(
  config: ResolvedConfig,
  { version, key, edit, isWanted }: Search<Result>,
): { readonly ok: true; readonly file: ParsedFile; readonly result: Result } | Refusal {
  const reasons: string[] = [];
  for (const { file, plugin } of listPlaces(config, { version, key })) {
    const result = edit(file.text, plugin);
    if (!result.ok) {
      reasons.push(`"${file.path}": ${result.because}`);
      continue;
    }
    const files = config.files.map((other) => (other === file ? { path: file.path, text: result.text } : other));
    if (isWanted(resolveConfig(files, version).registry)) return { ok: true, file, result };
  }
  return { ok: false, because: reasons[0] ?? `no place was found where setting registry.${key[0]} has an effect` };
}

function createRoot(
  config: ResolvedConfig,
  { version, wanted }: { version: ContainerdVersion; wanted: string },
): FoundEdit {
  const configVersion = newConfigVersion(version);
  const oldText = config.files[0]?.text ?? null;
  const result = createConfigPath(oldText ?? "", {
    plugin: criPlugin(configVersion, version),
    wanted,
    version: configVersion,
  });
  if (!result.ok) return result;
  return editOf(config.rootPath, { oldText, newText: result.text, undo: result.undo });
}

function editOf(path: string, texts: Pick<FileEdit, "oldText" | "newText" | "undo">): FoundEdit {
  return { ok: true, edit: { path, ...texts, drops: [], auths: [], isRestore: false } };
}

/** Where the value is, then where the table is, then where the plugin is, each time the last file first; then the root. */
function listPlaces(
  { files }: ResolvedConfig,
  { version, key }: { version: ContainerdVersion; key: readonly string[] },
) {
  const all = files.toReversed().flatMap((file) => CRI_PLUGINS.map((plugin) => ({ file, plugin })));
  const having = (...path: string[]) =>
    all.filter(({ file, plugin }) => valueAt(pluginsOf(file), [plugin, ...path]) !== undefined);
  const usual = criPlugin(mergedVersion(files, version), version);
  const roots = files.slice(0, 1).map((file) => ({ file, plugin: usual }));
  return [...having("registry", ...key), ...having("registry"), ...having(), ...roots];
}
