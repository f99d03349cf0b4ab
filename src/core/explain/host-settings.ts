// One host of a hosts.toml, as containerd reads its table (remotes/docker/config/hosts.go, parseHostConfig). A value
// of a wrong type fails the whole file, an unknown key nothing.

import { isMap, type TomlMap, type TomlValue } from "../containerd-config/toml-text.ts";
import { type ContainerdVersion, knowsReferrers, readsDialTimeout } from "../containerd-config/versions.ts";
import { Secret } from "../credentials/secret.ts";
import { parseGoDuration } from "./go-duration.ts";

export interface HostAddress {
  readonly scheme: string;
  /** With the port, as written. */
  readonly host: string;
  /** "/v2", "/v2/team-a". */
  readonly path: string;
}

export interface HostSettings {
  /** Null: a file without `server`, or a URL without a host in it. */
  readonly address: HostAddress | null;
  readonly capabilities: readonly string[];
  readonly caPaths: readonly string[];
  /** Key null: it is in the same file. */
  readonly clients: readonly { readonly certPath: string; readonly keyPath: string | null }[];
  /** Null: not set, which is not the same as false. */
  readonly skipVerify: boolean | null;
  /** By name, as written; any of them may be a credential. */
  readonly headers: Readonly<Record<string, Secret>>;
  readonly dialTimeoutMs: number | null;
}

/** The file is not read: why, in one clause. */
export class HostsTomlProblem extends Error {
  override readonly name = "HostsTomlProblem";
}

export const ALL_CAPABILITIES: readonly string[] = ["pull", "resolve", "push"];

export interface ReadingOptions {
  /** The folder of the file: relative paths start there. */
  readonly folder: string;
  readonly version: ContainerdVersion;
}

/** Reads one table; throws HostsTomlProblem. */
export function readHostSettings(url: string, table: TomlMap, options: ReadingOptions): HostSettings {
  const { folder, version } = options;
  const overridePath = booleanAt(table, "override_path") ?? false;
  return {
    address: url === "" ? null : parseAddress(url, overridePath),
    capabilities: readCapabilities(table.capabilities, version),
    caPaths: readPaths(table.ca, "ca", folder),
    clients: readClients(table.client, folder),
    skipVerify: booleanAt(table, "skip_verify"),
    headers: readHeaders(table.header),
    dialTimeoutMs: readDialTimeout(table.dial_timeout, version),
  };
}

function parseAddress(written: string, overridePath: boolean): HostAddress | null {
  const url = written.startsWith("http") ? written : `https://${written}`;
  const [, scheme, authority = "", path = ""] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/i.exec(url) ?? [];
  // "httpd.corp" passes for a URL with a scheme, and has no host then: no request to it can be made.
  if (scheme === undefined) return null;
  const host = authority.replace(/^.*@/s, "");
  if (host !== "" && URL.parse(`https://${host}`) === null) refuse("a host's address is no URL");
  return host === "" ? null : { scheme: scheme.toLowerCase(), host, path: rootPath(path, overridePath) };
}

function rootPath(path: string, overridePath: boolean): string {
  const clean = path.replace(/\/{2,}/g, "/").replace(/\/$/, "");
  return overridePath || clean.endsWith("/v2") ? clean : `${clean}/v2`;
}

function readCapabilities(value: TomlValue, version: ContainerdVersion): readonly string[] {
  if (value === undefined) return ALL_CAPABILITIES;
  const known = knowsReferrers(version) ? [...ALL_CAPABILITIES, "referrers"] : ALL_CAPABILITIES;
  if (!Array.isArray(value)) refuse("capabilities is no list");
  const names = value.map((item) =>
    typeof item === "string" ? item.toLowerCase() : refuse("capabilities is no list"),
  );
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) refuse(`capability "${unknown}" is not known to this containerd`);
  return names.length === 0 ? ALL_CAPABILITIES : names;
}

function readPaths(value: TomlValue, key: string, folder: string): readonly string[] {
  if (value === undefined) return [];
  const paths = typeof value === "string" ? [value] : value;
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === "string")) refuse(`${key} is no path`);
  return paths.map((path) => absolute(path, folder));
}

function readClients(value: TomlValue, folder: string): HostSettings["clients"] {
  if (value === undefined) return [];
  const items: unknown = typeof value === "string" ? [value] : value;
  if (!Array.isArray(items)) refuse("client is no path");
  return items.map((item) => {
    const pair: unknown = typeof item === "string" ? [item, ""] : item;
    if (!Array.isArray(pair) || pair.length !== 2) refuse("client holds no pair of paths");
    const [certPath, keyPath] = pair;
    if (typeof certPath !== "string" || typeof keyPath !== "string") refuse("client holds no pair of paths");
    // An empty string joined to the folder is the folder, except where one path alone was given.
    const isAlone = typeof item === "string";
    return { certPath: absolute(certPath, folder), keyPath: isAlone ? null : absolute(keyPath, folder) };
  });
}

function readHeaders(value: TomlValue): HostSettings["headers"] {
  if (value === undefined) return {};
  if (!isMap(value)) refuse("header is no table");
  const entries = Object.entries(value).map(([name, content]) => {
    const values: unknown = typeof content === "string" ? [content] : content;
    if (!Array.isArray(values) || !values.every((item) => typeof item === "string"))
      refuse(`header "${name}" is no text`);
    return [name, new Secret(values.join(", "))] as const;
  });
  return Object.fromEntries(entries);
}

function readDialTimeout(value: TomlValue, version: ContainerdVersion): number | null {
  if (value === undefined || value === "" || !readsDialTimeout(version)) return null;
  const ms = typeof value === "string" ? parseGoDuration(value) : null;
  return ms ?? refuse('dial_timeout is no duration, as "1s" is');
}

function booleanAt(table: TomlMap, key: string): boolean | null {
  const value = table[key];
  if (value === undefined || typeof value === "boolean") return value ?? null;
  return refuse(`${key} is neither true nor false`);
}

function absolute(path: string, folder: string): string {
  return path.startsWith("/") ? path : path === "" ? folder : `${folder}/${path}`;
}

function refuse(because: string): never {
  throw new HostsTomlProblem(because);
}
