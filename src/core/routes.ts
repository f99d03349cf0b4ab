// Which endpoints serve a registry, and which of them pulls are sent to now.
//
// containerd tries the hosts of a hosts.toml in their order and then the upstream, at every request
// and with no memory of failures (remotes/docker/fetcher.go), so a mirror that hangs has to leave
// the file. It only leaves while another way is proven to work: a probe may be wrong, and a node
// without any working route is no better off with fewer routes.

import type { Endpoint } from "./endpoint.ts";
import { endpointKey } from "./endpoint.ts";
import type { Mirror, MirrorConfig, Registry, TlsSettings } from "./mirror-config.ts";

/** containerd's folder for every registry that has none of its own (hosts.go, HostDirFromRoot). */
export const DEFAULT_REGISTRY = "_default";

/** The ordered endpoints of one registry. */
export interface Route {
  readonly registry: Registry;
  readonly mirrors: readonly Endpoint[];
  /** Null where the upstream may not be contacted (`failover: never`); then there are mirrors. */
  readonly upstream: Endpoint | null;
}

/** Where pulls of one registry go now. */
export interface RouteDecision {
  readonly route: Route;
  /** The mirrors in use, in the order of trying. */
  readonly mirrors: readonly Endpoint[];
  /** The mirrors left out because they are down. */
  readonly out: readonly Endpoint[];
  /** True when the upstream alone serves a registry that has mirrors. */
  readonly failedOver: boolean;
  /** True when down mirrors stay in use because nothing else is known to answer. */
  readonly doubted: boolean;
}

/** Health as far as routes need it: "up" and "down" are proven, "unknown" is neither. */
export type StateOf = (endpoint: Endpoint) => "up" | "down" | "unknown";

const NO_TLS: TlsSettings = { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false };

/** Every registry's route, in the order in which the config names them; `_default` comes last. */
export function compileRoutes(config: MirrorConfig): Route[] {
  const mirrors = config.mirrors.map((mirror) => compileMirror(mirror, config));
  const compile = (registry: Registry): Route => compileRoute(registry, { config, mirrors });
  const named = namedRegistries(config).map(compile).filter(isWay);
  const wildcard = config.mirrors.filter((mirror) => mirror.hosts.includes("*"));
  if (wildcard.length === 0) return named;
  return [...named, compile(DEFAULT_REGISTRY)];
}

/**
 * Takes down mirrors out of a route while another mirror or the upstream is proven to work.
 * When nothing is, everything stays: `wasOut` names (by endpointKey) the mirrors already left out.
 * Without an upstream some mirror always stays, since containerd would go to the registry itself.
 */
export function decideRoute(
  route: Route,
  { stateOf, wasOut }: { stateOf: StateOf; wasOut: ReadonlySet<string> },
): RouteDecision {
  const usable = route.mirrors.filter((mirror) => stateOf(mirror) !== "down");
  const proven = [...usable, ...(route.upstream ? [route.upstream] : [])].some((way) => stateOf(way) === "up");
  const nothingDown = usable.length === route.mirrors.length;
  const left = nothingDown || proven ? usable : route.mirrors.filter((mirror) => !wasOut.has(endpointKey(mirror)));
  const mirrors = left.length === 0 && route.upstream === null ? route.mirrors : left;
  return {
    route,
    mirrors,
    out: route.mirrors.filter((mirror) => !mirrors.includes(mirror)),
    failedOver: mirrors.length === 0 && route.mirrors.length > 0,
    doubted: !nothingDown && !proven,
  };
}

/** The upstreams whose health decides something now: those of routes with a mirror that is not proven up. */
export function upstreamsThatMatter(routes: readonly Route[], needed: (mirror: Endpoint) => boolean): Endpoint[] {
  const upstreams = routes.flatMap(({ mirrors, upstream }) => (upstream && mirrors.some(needed) ? [upstream] : []));
  return distinct(upstreams);
}

/** What serves pulls now, in the order of trying. */
export function waysOf({ mirrors, route }: RouteDecision): readonly Endpoint[] {
  return route.upstream ? [...mirrors, route.upstream] : mirrors;
}

/** Every endpoint of these routes, each once. */
export function endpointsOf(routes: readonly Route[]): Endpoint[] {
  return distinct(routes.flatMap(({ mirrors, upstream }) => (upstream ? [...mirrors, upstream] : mirrors)));
}

/** Each endpoint once, however many registries use it. */
export function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  // A thousand registries share three mirrors: the same value is not looked at a thousand times.
  return [...new Map([...new Set(endpoints)].map((endpoint) => [endpointKey(endpoint), endpoint])).values()];
}

function namedRegistries(config: MirrorConfig): Registry[] {
  const mirrored = config.mirrors.flatMap((mirror) => mirror.hosts).filter((host) => host !== "*");
  const withKey = config.gcrKeyPath === null ? [] : ["gcr.io"];
  const own = config.privateRegistries.map((registry) => registry.host);
  return [...new Set([...mirrored, ...Object.keys(config.upstreams), ...withKey, ...own])];
}

interface CompiledMirror {
  readonly endpoint: Endpoint;
  readonly hosts: ReadonlySet<string>;
}

interface Mirrors {
  readonly config: MirrorConfig;
  readonly mirrors: readonly CompiledMirror[];
}

function compileMirror(mirror: Mirror, config: MirrorConfig): CompiledMirror {
  const endpoint: Endpoint = {
    role: "mirror",
    url: mirror.endpoint,
    tls: mirror.tls,
    credentialPath: mirror.pullCredentialConfigPath,
    gcrKeyPath: null,
    resolveTags: mirror.resolveTags,
    dialTimeoutMs: mirror.dialTimeoutMs ?? config.agent.probe.timeoutMs,
  };
  return { endpoint, hosts: new Set(mirror.hosts) };
}

function compileRoute(registry: Registry, { config, mirrors }: Mirrors): Route {
  const listed = mirrors.some(({ hosts }) => hosts.has(registry));
  const privateOnly = !listed && config.privateRegistries.some((own) => own.host === registry);
  if (privateOnly) return { registry, mirrors: [], upstream: upstreamOf(registry, config) };
  return {
    registry,
    mirrors: mirrors.filter(({ hosts }) => hosts.has(registry) || hosts.has("*")).map(({ endpoint }) => endpoint),
    upstream: config.agent.failover === "never" ? null : upstreamOf(registry, config),
  };
}

/** Of a registry without mirrors whose upstream may not be contacted there is nothing to say. */
function isWay({ mirrors, upstream }: Route): boolean {
  return mirrors.length > 0 || upstream !== null;
}

// `_default` has as many upstreams as there are registries. docker.io stands in for them as the
// proof that this node reaches registries outside; hosts.toml itself names no server for `_default`.
function upstreamOf(registry: Registry, config: MirrorConfig): Endpoint {
  const name = registry === DEFAULT_REGISTRY ? "docker.io" : registry;
  const settings = config.upstreams[name];
  const own = config.privateRegistries.find((entry) => entry.host === name);
  const gcrKeyPath = isGoogleRegistry(name) ? config.gcrKeyPath : null;
  return {
    role: "upstream",
    url: settings?.endpoint ?? defaultUpstream(name),
    tls: { ...NO_TLS, caCertPath: settings?.caCertPath ?? own?.caCertPath ?? null },
    credentialPath: gcrKeyPath ? null : (own?.pullCredentialConfigPath ?? config.privateRegistryConfigPath),
    ...(!gcrKeyPath && own?.pullCredentialConfigPath ? { isCredentialOwn: true } : {}),
    gcrKeyPath,
    resolveTags: true,
    dialTimeoutMs: null,
  };
}

/** gcr.io, *.gcr.io and *.pkg.dev: the registries that a Google service-account key opens. */
export function isGoogleRegistry(registry: Registry): boolean {
  return registry === "gcr.io" || registry.endsWith(".gcr.io") || registry.endsWith(".pkg.dev");
}

/**
 * What containerd itself would contact (hosts.go, ConfigureHosts): docker.io is served elsewhere, and
 * registries on this machine speak http unless something says otherwise.
 */
export function defaultUpstream(registry: Registry): string {
  if (registry === "docker.io") return "https://registry-1.docker.io";
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(registry);
  return `${loopback ? "http" : "https"}://${registry}`;
}
