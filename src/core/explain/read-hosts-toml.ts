// Any hosts.toml, also one that nobody here wrote, as a containerd of a given version reads it: which hosts in which
// order, and whether it reads the file at all. containerd itself only logs that it does not.

import { scanToml } from "../containerd-config/toml-scan.ts";
import { isMap, parseToml, type TomlMap } from "../containerd-config/toml-text.ts";
import {
  findsHostsByHeader,
  needsBareHostTable,
  readsDialTimeout,
  renderContainerdVersion,
} from "../containerd-config/versions.ts";
import { type HostSettings, HostsTomlProblem, type ReadingOptions, readHostSettings } from "./host-settings.ts";

export type ReadHostsToml =
  | {
      readonly ok: true;
      /** In the order of trying. */
      readonly hosts: readonly HostSettings[];
      /** Tried last; without an address it is the registry itself. */
      readonly server: HostSettings;
      /** What is legal and hardly meant, one sentence each. */
      readonly doubts: readonly string[];
    }
  /** containerd goes on as if the file were not there. */
  | { readonly ok: false; readonly because: string };

const HOST_KEYS = ["capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"];

/** Reads the text of a hosts.toml. */
export function readHostsToml(text: string, options: ReadingOptions): ReadHostsToml {
  const parsed = parseToml(text);
  if (!parsed.ok) {
    const { line, column, message } = parsed;
    return { ok: false, because: `line ${line}, column ${column}: ${message}` };
  }
  try {
    return readAll(text, parsed.value, options);
  } catch (error) {
    if (error instanceof HostsTomlProblem) return { ok: false, because: error.message };
    throw error;
  }
}

function readAll(text: string, value: TomlMap, options: ReadingOptions): ReadHostsToml {
  const { version } = options;
  const tables = hostTables(value, options);
  const urls = orderHosts(text, options);
  const server = value.server ?? "";
  if (typeof server !== "string") throw new HostsTomlProblem("server is no text");
  // Every table is decoded, also one that is never tried.
  const settings = new Map(Object.entries(tables).map(([url, table]) => [url, readHostSettings(url, table, options)]));
  const hosts = urls.flatMap((url) => settings.get(url) ?? []);
  const doubts = [
    ...findOrderDoubts(Object.keys(tables), urls),
    ...Object.entries(tables).flatMap(([url, table]) => findTableDoubts(url, table, settings.get(url))),
    ...findUnknown("the file", value, [...HOST_KEYS, "server", "host"]),
    ...(!readsDialTimeout(version) && hasDialTimeout([value, ...Object.values(tables)])
      ? [`dial_timeout means nothing to containerd ${renderContainerdVersion(version)}`]
      : []),
  ];
  return { ok: true, hosts, server: readHostSettings(server, value, options), doubts };
}

function hostTables(value: TomlMap, { version }: ReadingOptions): Readonly<Record<string, TomlMap>> {
  const { host } = value;
  if (host === undefined && needsBareHostTable(version)) {
    throw new HostsTomlProblem(
      `there is no [host] table, without which containerd ${renderContainerdVersion(version)} reads nothing; add a bare [host] line`,
    );
  }
  if (host === undefined) return {};
  if (!isMap(host)) throw new HostsTomlProblem("host is no table");
  for (const [url, table] of Object.entries(host)) {
    if (!isMap(table)) throw new HostsTomlProblem(`host."${url}" is no table`);
  }
  return host as Readonly<Record<string, TomlMap>>;
}

// 1.x sorts the keys of `host` by where they stand first; 2.x goes through the headers, and takes a header of the
// same host for its sub-table only if it follows at once (v2.2.7:hosts.go:549).
function orderHosts(text: string, { version }: ReadingOptions): readonly string[] {
  const { tables, entries } = scanToml(text);
  const headers = tables.map(({ path, line }) => ({ path, at: line.start }));
  if (findsHostsByHeader(version)) {
    const urls = headers.flatMap(({ path: [first, url] }) => (first === "host" && url !== undefined ? [url] : []));
    return urls.filter((url, index) => url !== urls[index - 1]);
  }
  const found = [...headers, ...entries.map(({ path, key }) => ({ path, at: key.start }))];
  const urls = found
    .toSorted((a, b) => a.at - b.at)
    .flatMap(({ path: [first, url] }) => (first === "host" && url !== undefined ? [url] : []));
  return [...new Set(urls)];
}

function findOrderDoubts(all: readonly string[], ordered: readonly string[]): string[] {
  const unused = all.filter((url) => !ordered.includes(url));
  const twice = [...new Set(ordered.filter((url, index) => ordered.indexOf(url) !== index))];
  return [
    ...unused.map((url) => `${shown(url)} is never tried: containerd 2 reads no hosts that are inline tables`),
    ...twice.map((url) => `${shown(url)} is tried twice: a table of another host stands between its own`),
  ];
}

function findTableDoubts(url: string, table: TomlMap, settings: HostSettings | undefined): string[] {
  const name = shown(url);
  const doubts = findUnknown(name, table, HOST_KEYS);
  if (settings?.address === null) doubts.push(`${name} is no URL with a host: every request to it fails`);
  if (/^[a-z]+:\/\/[^/]*@/i.test(url)) doubts.push(`${name}: user and password in a URL are dropped; use a header`);
  if (url.includes("?")) doubts.push(`${name}: what follows "?" is dropped`);
  if (/\/v2\/.+\/v2$/.test(settings?.address?.path ?? "")) {
    doubts.push(`${name}: without override_path, containerd asks below ${settings?.address?.path}`);
  }
  return doubts;
}

function findUnknown(where: string, table: TomlMap, known: readonly string[]): string[] {
  const unknown = Object.keys(table).filter((key) => !known.includes(key));
  return unknown.map((key) => `${where}: "${key}" means nothing here`);
}

/** A URL without what may be a password in it. */
function shown(url: string): string {
  return url.replace(/(?<=:\/\/)[^/]*@/, "").replace(/\?.*$/s, "");
}

function hasDialTimeout(tables: readonly TomlMap[]): boolean {
  return tables.some((table) => table.dial_timeout !== undefined);
}
