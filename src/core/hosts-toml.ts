// The text of a hosts.toml that containerd 1.6, 1.7 and 2.x all read as meant.
//
// Foreign facts that shape the text (remotes/docker/config/hosts.go of each version):
// - The order of trying is the textual order of the [host."URL"] tables. A table's header sub-table
//   has to follow it at once, or 2.x tries that host twice. Serialisers sort; hence a template.
// - 1.6 and 1.7 before 1.7.32 refuse a file without any [host] table: a bare [host] satisfies them.
// - "/v2" is appended to a path that does not end in it, unless override_path is set.
// - Root keys belong to `server` alone, and have to stand before the first table.
// - TLS keys on an http:// host make containerd try https first.

import { parse } from "@iarna/toml";

/** Starts every hosts.toml of ours; what starts otherwise is somebody else's. */
export const MANAGED_MARK = "# Managed by mirror-agent";

/** Key null: it is in the same file. */
export interface ClientFiles {
  readonly certPath: string;
  readonly keyPath: string | null;
}

/** One host that containerd tries, or the `server` it tries last. */
export interface HostEntry {
  readonly url: string;
  /** What containerd may do there; null: everything (what an absent key means). */
  readonly capabilities: readonly ("pull" | "resolve")[] | null;
  /** Paths as containerd sees them. They must exist before the file does: a missing one fails every pull. */
  readonly caPath: string | null;
  readonly client: ClientFiles | null;
  readonly skipVerify: boolean;
  /** Null where containerd does not know the key, or its 30 s are meant to stay. */
  readonly dialTimeoutMs: number | null;
  /** Secret: the value of the Authorization header. */
  readonly authorization: string | null;
}

export interface HostsFile {
  readonly registry: string;
  readonly hosts: readonly HostEntry[];
  /** Tried last. Null: the registry itself, over https. */
  readonly server: HostEntry | null;
}

/** Renders a hosts.toml, byte for byte the same for the same value. */
export function renderHostsToml(file: HostsFile): string {
  const lines = [`${MANAGED_MARK}; edit the agent's config instead: changes made here are undone.`, ""];
  if (file.server) lines.push(...renderServer(file.server), "");
  for (const host of file.hosts) lines.push(...renderHost(host), "");
  if (file.hosts.length === 0) lines.push("[host]", "");
  return lines.join("\n");
}

/**
 * Parses rendered text back and compares it with what was meant; throws if they differ.
 * containerd logs a hosts.toml that it cannot parse and then pulls as if no mirror were configured
 * (hosts.go, loadHostDir). Nobody would notice, so our own output is read again before it is written.
 */
export function assertReadsBack(text: string, file: HostsFile): void {
  const server = file.server ? { server: file.server.url, ...hostTree(file.server) } : {};
  const host = Object.fromEntries(file.hosts.map((entry) => [entry.url, hostTree(entry)]));
  // Compared as JSON, which keeps the order of keys: the order of the hosts is the order of trying.
  if (JSON.stringify(parse(text)) === JSON.stringify({ ...server, host })) return;
  throw new Error(`Cannot render hosts.toml for "${file.registry}": the text does not read back as it was meant`);
}

/** Whether a hosts.toml was written by this agent. */
export function isManaged(text: string): boolean {
  return text.startsWith(MANAGED_MARK);
}

/**
 * The file that containerd reads for a registry. For "host:port" it looks for a folder "host_port_"
 * first and "host:port" second (config_unix.go, hostPaths); ours is the second, the customary one,
 * unless the first exists and would hide it.
 */
export function hostsTomlPath(certsDir: string, registry: string, folders: ReadonlySet<string>): string {
  const underscored = registry.replace(/:(\d+)$/, "_$1_");
  return `${certsDir}/${folders.has(underscored) ? underscored : registry}/hosts.toml`;
}

function renderServer(server: HostEntry): string[] {
  const header = server.authorization === null ? [] : ["", "[header]", `  ${authorizationLine(server.authorization)}`];
  return [`server = ${quote(server.url)}`, ...renderKeys(server), ...header];
}

function renderHost(host: HostEntry): string[] {
  const table = `host.${quote(host.url)}`;
  const header =
    host.authorization === null ? [] : [`  [${table}.header]`, `    ${authorizationLine(host.authorization)}`];
  return [`[${table}]`, ...renderKeys(host).map((line) => `  ${line}`), ...header];
}

// The key's spelling matters: containerd's own authorizer replaces the canonical "Authorization"
// only, and would send any other spelling as a second header (resolver.go, request.authorize).
function authorizationLine(authorization: string): string {
  return `Authorization = ${quote(authorization)}`;
}

function renderKeys(entry: HostEntry): string[] {
  return Object.entries(keysOf(entry)).map(([key, value]) => `${key} = ${renderValue(value)}`);
}

type TomlValue = string | boolean | readonly TomlValue[];

function keysOf(entry: HostEntry): Record<string, TomlValue> {
  const tls = entry.url.startsWith("https://");
  return {
    ...(entry.capabilities && { capabilities: entry.capabilities }),
    ...(new URL(entry.url).pathname !== "/" && { override_path: true }),
    ...(tls && entry.caPath !== null && { ca: entry.caPath }),
    ...(tls && entry.client && { client: [renderableClient(entry.client)] }),
    ...(tls && entry.skipVerify && { skip_verify: true }),
    ...(entry.dialTimeoutMs !== null && { dial_timeout: `${entry.dialTimeoutMs}ms` }),
  };
}

// A pair whose key is "" is no such thing: containerd takes it for the folder of the file, and fails every pull.
function renderableClient({ certPath, keyPath }: ClientFiles): TomlValue {
  return keyPath === null ? certPath : [certPath, keyPath];
}

function hostTree(entry: HostEntry): Record<string, unknown> {
  const header = entry.authorization === null ? {} : { header: { Authorization: entry.authorization } };
  return { ...keysOf(entry), ...header };
}

function renderValue(value: TomlValue): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "boolean") return String(value);
  return `[${value.map(renderValue).join(", ")}]`;
}

// JSON's escapes are a subset of those of TOML's basic strings, except DEL, which TOML wants escaped.
function quote(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}
