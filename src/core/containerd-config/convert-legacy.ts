// Converts `registry.mirrors` and `registry.configs.*.tls` of config.toml into hosts.toml files that mean the same,
// after the CRI's own reading of them (v1.7.34:pkg/cri/server/image_pull.go, registryEndpoints and registryHosts):
// the endpoints of the registry, or else those of "*"; then the registry itself, unless an endpoint has its name.
// `auth` stays where it is: containerd reads it beside config_path.

import { type HostEntry, renderHostsToml } from "../hosts-toml.ts";
import { type FileEdit, findConfigPathEdit, type Refusal } from "./find-edit.ts";
import { tableAt } from "./legacy-registry.ts";
import { removeTable } from "./remove-table.ts";
import { CRI_PLUGINS, type ResolvedConfig, resolveConfig } from "./resolve-config.ts";
import { isMap, type TomlMap, valueAt } from "./toml-text.ts";
import type { ContainerdVersion } from "./versions.ts";

export interface LegacyConversion {
  readonly ok: true;
  /** One hosts.toml for each registry; "_default" for "*". They have to be there before containerd is restarted. */
  readonly hostsFiles: readonly { readonly registry: string; readonly text: string }[];
  readonly edit: FileEdit;
}

const HEADER = "# Converted from containerd's config.toml by `mirror-agent migrate`; yours to change.";

/** The conversion, or why there is none. */
export function convertLegacy(
  config: ResolvedConfig,
  { version, certsDir }: { version: ContainerdVersion; certsDir: string },
): LegacyConversion | Refusal {
  const { mirrors, tls } = config.legacy;
  if (mirrors.length + tls.length === 0)
    return refuse("containerd has no registry.mirrors and no registry.configs.*.tls");
  const unreadable = findUnreadable(config.registry);
  if (unreadable !== null) return refuse(unreadable);
  const drops = [...(mirrors.length > 0 ? [["mirrors"]] : []), ...tls.map((host) => ["configs", host, "tls"])];
  const edited = editFile(config, { version, wanted: certsDir, drops });
  return edited.ok ? { ok: true, hostsFiles: renderAll(config.registry), edit: { ...edited.edit, drops } } : edited;
}

export interface LegacyHosts {
  /** Of a hosts.toml that means the same. */
  readonly text: string;
  /** What that cannot carry; null: nothing. */
  readonly doubt: string | null;
}

/** What one registry is read from where config_path is not set, only to be read; null if nothing is set for it. */
export function readLegacyHosts(registry: TomlMap, name: string): LegacyHosts | null {
  const mirrors = tableAt(registry, "mirrors");
  const key = mirrors[name] === undefined && tlsOf(registry, name) === null ? "*" : name;
  if (key === "*" && mirrors["*"] === undefined) return null;
  const endpoints = endpointsOf(mirrors, key);
  const urls = endpoints.filter(isHttpUrl);
  const servers = [...urls.map((url) => new URL(url).host), name];
  const own = Object.entries(tableAt(registry, "configs")).filter(([host]) => servers.includes(host));
  const configs = Object.fromEntries(own);
  const mirror = mirrors[key] === undefined ? {} : { [key]: mirrors[key] };
  const doubt = findUnreadable({ mirrors: mirror, configs });
  return { text: renderOne({ mirrors: { [key]: { endpoint: urls } }, configs }, key), doubt };
}

function editFile(
  config: ResolvedConfig,
  { version, wanted, drops }: { version: ContainerdVersion; wanted: string; drops: readonly (readonly string[])[] },
): { ok: true; edit: FileEdit } | Refusal {
  const files = config.files.map(({ path, text }) => ({ path, text: removeAll(text, drops) }));
  const failed = config.files.find((_, index) => files[index]?.text === null);
  if (failed) return refuse(`"${failed.path}": no edit was found that takes out only mirrors and tls`);
  const found = findConfigPathEdit(resolveConfig(files, version), { version, wanted });
  if (!found.ok) return found;
  const { path } = found.edit;
  const other = files.find((file, index) => file.path !== path && file.text !== config.files[index]?.text);
  if (other)
    return refuse(
      `they are in "${other.path}", but config_path counts in "${path}": bring them together by hand first`,
    );
  return { ok: true, edit: { ...found.edit, oldText: config.files.find((file) => file.path === path)?.text ?? null } };
}

function removeAll(text: string, drops: readonly (readonly string[])[]): string | null {
  const paths = CRI_PLUGINS.flatMap((plugin) => drops.map((drop) => ["plugins", plugin, "registry", ...drop]));
  return paths.reduce<string | null>((now, path) => now && removeTable(now, path), text);
}

function renderAll(registry: TomlMap): { registry: string; text: string }[] {
  const mirrors = tableAt(registry, "mirrors");
  const named = new Set([...Object.keys(mirrors), ...withOwnTls(registry)]);
  return [...named].map((name) => {
    return { registry: name === "*" ? "_default" : name, text: renderOne(registry, name).replace(/^.*/, HEADER) };
  });
}

function renderOne(registry: TomlMap, name: string): string {
  const endpoints = endpointsOf(tableAt(registry, "mirrors"), name).map((url) => entryOf(url, registry));
  return renderHostsToml({ registry: name, ...split(name, endpoints, registry) });
}

/** Servers with tls that are a registry of their own, and not only the endpoint of another. */
function withOwnTls(registry: TomlMap): readonly string[] {
  const endpoints = Object.keys(tableAt(registry, "mirrors")).flatMap((name) =>
    endpointsOf(tableAt(registry, "mirrors"), name),
  );
  const hosts = new Set(endpoints.map((url) => new URL(url).host));
  return Object.keys(tableAt(registry, "configs")).filter((host) => tlsOf(registry, host) && !hosts.has(host));
}

function endpointsOf(mirrors: TomlMap, name: string): readonly string[] {
  const listed = valueAt(mirrors[name] ?? mirrors["*"], ["endpoint"]);
  const urls = Array.isArray(listed) ? listed.map(String) : [];
  return urls.map((url) => (url.includes("://") ? url : `https://${url}`));
}

/** containerd adds the registry itself last, unless an endpoint has its name; the last of all is the `server`. */
function split(name: string, endpoints: readonly HostEntry[], registry: TomlMap) {
  if (name === "*") return { hosts: endpoints, server: null };
  const isListed = endpoints.some(({ url }) => new URL(url).host === name);
  const own = name === "docker.io" ? "registry-1.docker.io" : name;
  const all = isListed ? endpoints : [...endpoints, entryOf(`https://${own}`, registry)];
  return { hosts: all.slice(0, -1), server: all.at(-1) ?? null };
}

function entryOf(written: string, registry: TomlMap): HostEntry {
  const url = written.replace(/\/+$/, "");
  const tls = tlsOf(registry, new URL(url).host);
  const text = (key: string) => (typeof tls?.[key] === "string" && tls[key] !== "" ? tls[key] : null);
  const certPath = text("cert_file");
  return {
    url,
    capabilities: ["pull", "resolve"],
    caPath: text("ca_file"),
    client: certPath === null ? null : { certPath, keyPath: text("key_file") },
    skipVerify: tls?.insecure_skip_verify === true,
    dialTimeoutMs: null,
    authorization: null,
  };
}

function tlsOf(registry: TomlMap, host: string): TomlMap | null {
  const tls = valueAt(registry, ["configs", host, "tls"]);
  return isMap(tls) ? tls : null;
}

/** What has no counterpart in hosts.toml, or would mean something else there. */
function findUnreadable(registry: TomlMap): string | null {
  for (const [name, mirror] of Object.entries(tableAt(registry, "mirrors"))) {
    const others = isMap(mirror) ? Object.keys(mirror).filter((key) => key !== "endpoint") : [];
    if (others.length > 0) return `registry.mirrors."${name}" holds "${others[0]}", which hosts.toml does not know`;
    const bad = endpointsOf({ [name]: mirror }, name).find((url) => !isHttpUrl(url));
    if (bad !== undefined) return `registry.mirrors."${name}" has an endpoint that is not an http or https URL`;
  }
  for (const host of Object.keys(tableAt(registry, "configs"))) {
    const paths = Object.entries(tlsOf(registry, host) ?? {}).filter(([key]) => key.endsWith("_file"));
    const relative = paths.find(([, path]) => typeof path === "string" && path !== "" && !path.startsWith("/"));
    if (relative) return `registry.configs."${host}".tls.${relative[0]} is not an absolute path`;
  }
  return null;
}

function isHttpUrl(url: string): boolean {
  return /^https?:\/\/[^/@]+(\/|$)/.test(url) && URL.canParse(url);
}

function refuse(because: string): Refusal {
  return { ok: false, because };
}
