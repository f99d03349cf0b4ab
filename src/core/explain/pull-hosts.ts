// The servers that containerd asks for one registry, in its order: from a hosts.toml and its own defaults
// (remotes/docker/config/hosts.go, ConfigureHosts). This is where an upstream comes from that no file names.

import {
  type ContainerdVersion,
  pullsByTransfer,
  readsDialTimeout,
  triesTlsWithoutPort,
} from "../containerd-config/versions.ts";
import type { Secret } from "../credentials/secret.ts";
import { type ImageReference, objectOf } from "../image-reference.ts";
import { ALL_CAPABILITIES, type HostSettings } from "./host-settings.ts";
import type { FoundFolder } from "./hosts-folder.ts";
import { readHostsToml } from "./read-hosts-toml.ts";

export interface PullHost {
  /** "host": a table of the file; "server": its `server`; "registry": the registry itself, which nobody named. */
  readonly role: "host" | "server" | "registry";
  /** Roots of the API without a slash at the end; the second is tried where the first does not speak TLS. */
  readonly roots: readonly [string, ...string[]];
  readonly capabilities: readonly string[];
  readonly caPaths: readonly string[];
  readonly clients: HostSettings["clients"];
  readonly skipVerify: boolean;
  readonly headers: Readonly<Record<string, Secret>>;
  readonly dialTimeoutMs: number;
  /** Appended to every request: the registry that is meant. */
  readonly namespace: string | null;
}

export interface ReadRoute {
  readonly hosts: readonly PullHost[];
  /** What the hosts come from. */
  readonly source: RouteSource;
  readonly doubts: readonly string[];
}

export type RouteSource =
  | { readonly kind: "hosts.toml"; readonly path: string }
  /** The file is there and not read. */
  | { readonly kind: "ignored"; readonly path: string; readonly because: string }
  /** `registry.mirrors` in config.toml, where config_path is not set. */
  | { readonly kind: "legacy" }
  /** A folder without hosts.toml: certificates in it are for the registry itself, as with Docker. */
  | { readonly kind: "certificates"; readonly path: string; readonly isEmpty: boolean }
  | { readonly kind: "none" }
  /** Pulls fail before it comes to that. */
  | { readonly kind: "unread" };

export interface RouteOptions {
  readonly registry: string;
  readonly version: ContainerdVersion;
}

export const DIAL_TIMEOUT_MS = 30_000;

/** The servers for a registry whose folder was found; null: there is none. */
export function readRoute(folder: FoundFolder | null, options: RouteOptions): ReadRoute {
  if (folder === null) return { hosts: [registryItself(NO_SETTINGS, options)], source: { kind: "none" }, doubts: [] };
  const { path, hostsToml } = folder;
  const file = `${path}/hosts.toml`;
  const text = hostsToml.kind === "text" ? hostsToml.text : "";
  const certificates = dockerCertificates(folder);
  const itself = [registryItself({ ...NO_SETTINGS, ...certificates }, options)];
  if (text === "") {
    const isEmpty = certificates.caPaths.length + certificates.clients.length === 0;
    return { hosts: itself, source: { kind: "certificates", path, isEmpty }, doubts: [] };
  }
  const read = readHostsToml(text, { folder: path, version: options.version });
  if (!read.ok) return { hosts: itself, source: { kind: "ignored", path: file, because: read.because }, doubts: [] };
  const listed = read.hosts.flatMap((settings) => compileHost("host", settings, options) ?? []);
  const last = compileHost("server", read.server, options) ?? registryItself(read.server, options);
  return { hosts: [...listed, last], source: { kind: "hosts.toml", path: file }, doubts: read.doubts };
}

/** Where containerd asks a host for the image itself: a HEAD of this URL. */
export function manifestUrl({ namespace }: PullHost, root: string, reference: ImageReference): URL {
  return withNamespace(`${root}/${reference.repository}/manifests/${objectOf(reference)}`, namespace);
}

/** Where containerd fetches something that it knows by digest. */
export function contentUrl(
  { namespace }: PullHost,
  root: string,
  { repository, kind, digest }: { repository: string; kind: "manifests" | "blobs"; digest: string },
): URL {
  return withNamespace(`${root}/${repository}/${kind}/${digest}`, namespace);
}

/** "mirror.corp:443", as it is written: what credentials belong to (Go's URL.Host keeps a port that says nothing). */
export function hostOf({ roots: [root] }: PullHost): string {
  return root.replace(/^[a-z]+:\/\/([^/]*).*$/s, "$1");
}

const NO_SETTINGS: HostSettings = {
  address: null,
  capabilities: ALL_CAPABILITIES,
  caPaths: [],
  clients: [],
  skipVerify: null,
  headers: {},
  dialTimeoutMs: null,
};

// loadCertFiles: every *.crt is an authority, every *.cert a client certificate with its *.key, if that is there.
function dockerCertificates({ path, names }: FoundFolder): Pick<HostSettings, "caPaths" | "clients"> {
  const keyOf = (name: string): string => name.replace(/\.cert$/, ".key");
  return {
    caPaths: names.filter((name) => name.endsWith(".crt")).map((name) => `${path}/${name}`),
    clients: names
      .filter((name) => name.endsWith(".cert"))
      .map((name) => ({
        certPath: `${path}/${name}`,
        keyPath: names.includes(keyOf(name)) ? `${path}/${keyOf(name)}` : null,
      })),
  };
}

// Without `server`, everything about the address and the capabilities is the registry's own; TLS, headers and
// dial_timeout of the root table count nevertheless (v2.2.7:hosts.go:100).
function registryItself(settings: HostSettings, options: RouteOptions): PullHost {
  const { registry } = options;
  const port = /:(\d+)$/.exec(registry)?.[1] ?? "";
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(registry);
  const scheme = isLocal && port !== "" && port !== "443" ? "http" : "https";
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const skipVerify = isLocal && port !== "80" ? true : settings.skipVerify;
  const own = { ...settings, address: { scheme, host, path: "/v2" }, capabilities: ALL_CAPABILITIES, skipVerify };
  return compileHost("registry", own, options) as PullHost;
}

function compileHost(role: PullHost["role"], settings: HostSettings, options: RouteOptions): PullHost | null {
  if (settings.address === null) return null;
  const { host, path } = settings.address;
  const itself = host === options.registry || (options.registry === "docker.io" && host === "registry-1.docker.io");
  const [first = "https", ...rest] = schemesOf(settings, options.version);
  const rootAt = (scheme: string): string => `${scheme}://${host}${path}`;
  return {
    role,
    roots: [rootAt(first), ...rest.map(rootAt)],
    capabilities: settings.capabilities,
    caPaths: settings.caPaths,
    clients: settings.clients,
    skipVerify: settings.skipVerify ?? false,
    headers: settings.headers,
    dialTimeoutMs: settings.dialTimeoutMs || DIAL_TIMEOUT_MS,
    namespace: itself ? null : options.registry,
  };
}

// A plain host with TLS settings is asked with TLS first, unless its port says http (v2.2.7:hosts.go:220).
function schemesOf({ address, ...settings }: HostSettings, version: ContainerdVersion): readonly string[] {
  if (address?.scheme !== "http") return [address?.scheme ?? "https"];
  const port = /:(\d+)$/.exec(address.host)?.[1] ?? "";
  // 2.0.7 to 2.0.11 take a dial_timeout for a TLS setting (v2.0.11:hosts.go:184).
  const dialCounts = readsDialTimeout(version) && !pullsByTransfer(version) && settings.dialTimeoutMs !== null;
  const hasTls = settings.caPaths.length + settings.clients.length > 0 || settings.skipVerify !== null || dialCounts;
  const isAmbiguous = port !== "80" && (port !== "" || triesTlsWithoutPort(version));
  return hasTls && isAmbiguous ? ["https", "http"] : ["http"];
}

function withNamespace(text: string, namespace: string | null): URL {
  const url = new URL(text);
  if (namespace !== null) url.searchParams.set("ns", namespace);
  return url;
}
