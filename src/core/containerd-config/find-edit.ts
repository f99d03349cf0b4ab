// Finds the file and the table where config_path has to be set so that it counts. Instead of rules about which file
// wins, each place is tried and the outcome resolved again; the first that gives the wanted value and leaves the
// rest of the registry table alone is taken.

import { type ConfigPathUndo, createConfigPath, editConfigPath } from "./edit-config-path.ts";
import { mergedVersion } from "./merge-registry.ts";
import { CRI_PLUGINS, type ParsedFile, pluginsOf, type ResolvedConfig, resolveConfig } from "./resolve-config.ts";
import { isSameValue, valueAt, withValueAt } from "./toml-text.ts";
import { type ContainerdVersion, criPlugin, importsReplacePlugins, newConfigVersion } from "./versions.ts";

export interface FileEdit {
  readonly path: string;
  /** Null if there was no such file. */
  readonly oldText: string | null;
  readonly newText: string;
  readonly undo: ConfigPathUndo;
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
  const reasons: string[] = [];
  for (const { file, plugin } of findPlaces(config, version)) {
    const result = editConfigPath(file.text, { plugin, wanted });
    if (!result.ok) reasons.push(`${file.path}: ${result.because}`);
    else if (isOutcome(config, { version, wanted, path: file.path, text: result.text })) {
      return { ok: true, edit: { path: file.path, oldText: file.text, newText: result.text, undo: result.undo } };
    }
  }
  return { ok: false, because: reasons[0] ?? "no place was found where setting config_path has an effect" };
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
  return { ok: true, edit: { path: config.rootPath, oldText, newText: result.text, undo: result.undo } };
}

/** Where the value is, then where the table is, then where the plugin is, each time the last file first; then the root. */
function findPlaces({ files }: ResolvedConfig, version: ContainerdVersion): { file: ParsedFile; plugin: string }[] {
  const all = files.toReversed().flatMap((file) => CRI_PLUGINS.map((plugin) => ({ file, plugin })));
  const having = (...path: string[]) =>
    all.filter(({ file, plugin }) => valueAt(pluginsOf(file), [plugin, ...path]) !== undefined);
  const usual = criPlugin(mergedVersion(files, version), version);
  const roots = files.slice(0, 1).map((file) => ({ file, plugin: usual }));
  const places = [...having("registry", "config_path"), ...having("registry"), ...having()];
  // On 1.x the section would replace one in another file whole, with all that is set there.
  return importsReplacePlugins(version) && places.length > 0 ? places : [...places, ...roots];
}

function isOutcome(
  config: ResolvedConfig,
  { version, wanted, path, text }: { version: ContainerdVersion; wanted: string; path: string; text: string },
): boolean {
  const files = config.files.map((file) => (file.path === path ? { path, text } : file));
  const after = resolveConfig(files, version);
  const want = withValueAt(config.registry, ["config_path"], wanted);
  return after.configPath === wanted && isSameValue(after.registry, want);
}
