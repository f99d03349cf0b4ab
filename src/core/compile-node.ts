// From route decisions to the files that should be on disk. Pure: the same input gives the same bytes.

import type { ContainerdVersion } from "./containerd-config/versions.ts";
import { knowsDialTimeout } from "./containerd-config/versions.ts";
import type { Endpoint } from "./endpoint.ts";
import { type HostEntry, type HostsFile, hostsTomlPath, renderHostsToml } from "./hosts-toml.ts";
import { DEFAULT_REGISTRY, type RouteDecision } from "./routes.ts";

/** A CA, client certificate or key that the config names, read and found valid. */
export interface TlsFile {
  readonly sourcePath: string;
  readonly pem: string;
  readonly sha256: string;
  readonly secret: boolean;
}

/** What compiling has to know about this node. */
export interface NodeFacts {
  /** Null where it could not be found out: then only what every version understands is written. */
  readonly containerdVersion: ContainerdVersion | null;
  readonly certsDir: string;
  /** Where copies of TLS files live, so that a hosts.toml never names a file that can go away. */
  readonly tlsDir: string;
  /** The folders in certsDir. */
  readonly folders: ReadonlySet<string>;
  /** By source path. */
  readonly tlsFiles: ReadonlyMap<string, TlsFile>;
  /** Secret: the Authorization header for an endpoint, or null. */
  readonly authorizationOf: (endpoint: Endpoint) => string | null;
}

/** One file as it should be on disk. */
export interface WantFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  readonly because: string;
  /** What the text means, if it is a hosts.toml. */
  readonly hosts: HostsFile | null;
}

/** The files that should be on disk: copies of TLS files first, then every hosts.toml that names them. */
export function compileNode(decisions: readonly RouteDecision[], facts: NodeFacts): WantFile[] {
  const hosts = decisions.map((decision) => compileHostsToml(decision, facts));
  return [...compileTlsCopies(facts), ...hosts];
}

function compileTlsCopies(facts: NodeFacts): WantFile[] {
  return [...facts.tlsFiles.values()].map((file) => ({
    path: tlsCopyPath(file, facts),
    text: file.pem,
    mode: file.secret ? 0o600 : 0o644,
    because: `copy of "${file.sourcePath}"`,
    hosts: null,
  }));
}

function compileHostsToml(decision: RouteDecision, facts: NodeFacts): WantFile {
  const hosts = compileHosts(decision, facts);
  const entries = hosts.server ? [...hosts.hosts, hosts.server] : hosts.hosts;
  const secret = entries.some((entry) => entry.authorization !== null);
  return {
    path: hostsTomlPath(facts.certsDir, decision.route.registry, facts.folders),
    text: renderHostsToml(hosts),
    mode: secret ? 0o600 : 0o644,
    because: describeDecision(decision),
    hosts,
  };
}

// Without an upstream the last mirror is the `server`: containerd always appends a server, and an
// absent one means the registry itself (hosts.go, ConfigureHosts). Listed as a host as well, it would
// be tried twice.
function compileHosts({ route, mirrors }: RouteDecision, facts: NodeFacts): HostsFile {
  const { registry } = route;
  const entries = mirrors.map((mirror) => compileEntry(mirror, facts));
  if (route.upstream === null) return { registry, hosts: entries.slice(0, -1), server: lastOf(entries, registry) };
  const server = registry === DEFAULT_REGISTRY ? null : compileEntry(route.upstream, facts);
  return { registry, hosts: entries, server };
}

function lastOf(entries: readonly HostEntry[], registry: string): HostEntry {
  const last = entries.at(-1);
  if (!last)
    throw new Error(`Cannot compile hosts.toml of "${registry}": no mirror, and no upstream that may be asked`);
  return last;
}

function compileEntry(endpoint: Endpoint, facts: NodeFacts): HostEntry {
  const { tls } = endpoint;
  const certPath = copyOf(tls.clientCertPath, facts);
  return {
    url: endpoint.url,
    capabilities: endpoint.role === "upstream" ? null : endpoint.resolveTags ? ["pull", "resolve"] : ["pull"],
    caPath: copyOf(tls.caCertPath, facts),
    client: certPath === null ? null : { certPath, keyPath: copyOf(tls.clientKeyPath, facts) },
    skipVerify: tls.insecureSkipVerify,
    dialTimeoutMs: facts.containerdVersion && knowsDialTimeout(facts.containerdVersion) ? endpoint.dialTimeoutMs : null,
    authorization: facts.authorizationOf(endpoint),
  };
}

function copyOf(sourcePath: string | null, facts: NodeFacts): string | null {
  if (sourcePath === null) return null;
  const file = facts.tlsFiles.get(sourcePath);
  if (!file) throw new Error(`Cannot compile hosts.toml: "${sourcePath}" was not read`);
  return tlsCopyPath(file, facts);
}

function tlsCopyPath(file: TlsFile, facts: NodeFacts): string {
  return `${facts.tlsDir}/${file.sha256}.pem`;
}

function describeDecision({ route, mirrors, out, failedOver, doubted }: RouteDecision): string {
  if (route.mirrors.length === 0) return `${route.registry}: upstream settings`;
  const urls = (endpoints: readonly Endpoint[]) => endpoints.map((endpoint) => endpoint.url).join(", ");
  if (failedOver) return `${route.registry}: upstream only, ${urls(out)} down`;
  if (doubted) return `${route.registry}: routes stay as they are, nothing else answers`;
  return out.length > 0
    ? `${route.registry}: ${urls(mirrors)}; ${urls(out)} down`
    : `${route.registry}: ${urls(mirrors)}`;
}
