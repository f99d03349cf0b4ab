// What is wrong with containerd's configuration as it stands. An error means that containerd would not start with
// it, or start without the CRI: nothing may be restarted then. A warning is told and left alone.

import { tableAt } from "./legacy-registry.ts";
import { pullsLocally } from "./local-pull.ts";
import { mergedVersion } from "./merge-images.ts";
import type { ConfigFile, ConfigProblem, ParsedFile } from "./resolve-config.ts";
import { scanToml } from "./toml-scan.ts";
import { isMap, parseToml, type TomlMap, valueAt } from "./toml-text.ts";
import {
  type ContainerdVersion,
  importsReplacePlugins,
  isSupported,
  maxConfigVersion,
  migratesEachFile,
  refusesByteOrderMark,
  refusesHigherConfigVersion,
  refusesTlsBesideConfigPath,
  renderContainerdVersion,
} from "./versions.ts";

interface Facts {
  readonly parsed: readonly ParsedFile[];
  readonly images: TomlMap;
  readonly version: ContainerdVersion;
}

/** All problems, in the order of the files. */
export function findProblems(files: readonly ConfigFile[], facts: Facts): readonly ConfigProblem[] {
  const root = files[0]?.path ?? "";
  return [
    ...files.flatMap((file) => findUnreadable(file, root, facts.version)),
    ...facts.parsed.flatMap((file) => findInFile(file, facts)),
    ...findInWhole(root, facts),
  ];
}

function findUnreadable({ path, text }: ConfigFile, root: string, version: ContainerdVersion): ConfigProblem[] {
  if (text === null)
    return path === root ? [] : [at(path, "is imported but does not exist: containerd will not start")];
  const parsed = parseToml(text);
  if (!parsed.ok) {
    const { line, column, message } = parsed;
    return [{ severity: "error", file: path, line, column, message: `is not valid TOML: ${message}` }];
  }
  if (!text.startsWith("\uFEFF") || !refusesByteOrderMark(version)) return [];
  return [at(path, `starts with a byte order mark, which containerd ${renderContainerdVersion(version)} refuses`)];
}

function findInFile(file: ParsedFile, { parsed, version }: Facts): ConfigProblem[] {
  const name = `containerd ${renderContainerdVersion(version)}`;
  const written = file.value.version;
  if (written !== undefined && typeof written !== "number")
    return [inFile(file, ["version"], "version is not a number")];
  const problems: ConfigProblem[] = [];
  const max = maxConfigVersion(version);
  if (file.configVersion > max && refusesHigherConfigVersion(version)) {
    problems.push(inFile(file, ["version"], `version ${file.configVersion} is higher than ${name} reads (${max})`));
  }
  problems.push(...findHigherDropIn(file, parsed[0], version));
  const short = importsReplacePlugins(version) && mergedVersion(parsed, version) >= 2 ? shortPlugins(file) : [];
  for (const plugin of short) {
    problems.push(
      inFile(
        file,
        ["plugins", plugin],
        `plugin name "${plugin}" is one of version 1, but the merged configuration is version 2`,
      ),
    );
  }
  for (const plugin of disabledCri(file)) {
    problems.push(
      inFile(
        file,
        ["disabled_plugins"],
        `disabled_plugins names "${plugin}": this containerd serves no Kubernetes pulls`,
      ),
    );
  }
  return problems;
}

function findHigherDropIn(file: ParsedFile, root: ParsedFile | undefined, version: ContainerdVersion): ConfigProblem[] {
  if (!root || file === root || importsReplacePlugins(version) || file.configVersion <= root.configVersion) return [];
  const message = `version ${file.configVersion} is higher than that of ${root.path} (${root.configVersion})`;
  if (migratesEachFile(version)) return [inFile(file, ["version"], `${message}: containerd will not start`)];
  if (root.configVersion === 0) return [];
  return [{ ...inFile(file, ["version"], `${message}: the CRI settings there are lost`), severity: "warning" }];
}

function findInWhole(root: string, { images, version, parsed }: Facts): ConfigProblem[] {
  if (!isSupported(version))
    return [at(root, `containerd ${renderContainerdVersion(version)} is too old: 1.6 or newer is needed`)];
  const registry = tableAt(images, "registry");
  const configPath = registry.config_path;
  const file = parsed.findLast((found) => hasRegistry(found));
  if (typeof configPath !== "string" || configPath === "" || !file) return [];
  const problems: ConfigProblem[] = [];
  const set = (key: string) => isMap(registry[key]) && Object.keys(registry[key]).length > 0;
  if (set("mirrors"))
    problems.push(at(file.path, "sets registry.mirrors beside config_path: the CRI plugin does not load"));
  const tls = Object.values(isMap(registry.configs) ? registry.configs : {}).some((value) => valueAt(value, ["tls"]));
  if (tls && refusesTlsBesideConfigPath(version)) {
    problems.push(at(file.path, "sets registry.configs.*.tls beside config_path: the CRI plugin does not load"));
  }
  if (configPath.includes(":") && !pullsLocally(images, version)) {
    const message = `config_path names several folders, which containerd ${renderContainerdVersion(version)} ignores`;
    problems.push({ ...at(file.path, message), severity: "warning" });
  }
  return problems;
}

function hasRegistry(file: ParsedFile): boolean {
  const plugins = file.value.plugins;
  return isMap(plugins) && Object.values(plugins).some((plugin) => valueAt(plugin, ["registry"]) !== undefined);
}

function shortPlugins(file: ParsedFile): readonly string[] {
  const plugins = file.value.plugins;
  return isMap(plugins) ? Object.keys(plugins).filter((name) => name.split(".").length < 4) : [];
}

function disabledCri(file: ParsedFile): readonly string[] {
  const disabled = file.value.disabled_plugins;
  const names = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"];
  return Array.isArray(disabled) ? disabled.filter((name) => names.includes(name)) : [];
}

function at(file: string, message: string): ConfigProblem {
  return { severity: "error", file, line: 1, column: 1, message };
}

function inFile(file: ParsedFile, path: readonly string[], message: string): ConfigProblem {
  const { tables, entries } = scanToml(file.text);
  const isHere = (found: readonly string[]) => path.every((key, index) => found[index] === key);
  const starts = [
    ...tables.map(({ path: found, line }) => ({ found, start: line.start })),
    ...entries.map(({ path: found, key }) => ({ found, start: key.start })),
  ];
  const offset = Math.min(...starts.filter(({ found }) => isHere(found)).map(({ start }) => start));
  const before = file.text.slice(0, Number.isFinite(offset) ? offset : 0).split("\n");
  return { severity: "error", file: file.path, line: before.length, column: (before.at(-1) ?? "").length + 1, message };
}
