// containerd's older way to name mirrors, in config.toml itself: `registry.mirrors`, `configs` and `auths`. It shuts
// out config_path: with both, the CRI plugin does not load while the daemon says that it is running.

import { isMap, type TomlMap, valueAt } from "./toml-text.ts";

/** Names only, in the order of the file: what is behind them may be secret. */
export interface LegacyRegistry {
  /** Registries with `mirrors.X.endpoint`. */
  readonly mirrors: readonly string[];
  /** Servers with `configs.X.tls`. */
  readonly tls: readonly string[];
  /** Servers with `configs.X.auth`. */
  readonly auth: readonly string[];
  /** URLs in `auths`. */
  readonly auths: readonly string[];
  /** Names of headers that go to every registry. */
  readonly headers: readonly string[];
}

/** Finds what is set in a registry table; empty tables, as `config default` writes them, count as absent. */
export function findLegacy(registry: TomlMap): LegacyRegistry {
  const configs = Object.entries(tableAt(registry, "configs"));
  const withTable = (key: string) => configs.filter(([, value]) => isMap(valueAt(value, [key]))).map(([name]) => name);
  return {
    mirrors: Object.keys(tableAt(registry, "mirrors")),
    tls: withTable("tls"),
    auth: withTable("auth"),
    auths: Object.keys(tableAt(registry, "auths")),
    headers: Object.keys(tableAt(registry, "headers")),
  };
}

/** A sub-table; {} if it is absent. */
export function tableAt(registry: TomlMap, key: string): TomlMap {
  const found = registry[key];
  return isMap(found) ? found : {};
}
