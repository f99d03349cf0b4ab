// Finds out what a pull of one image would do on this node now: reads what containerd would read, asks whom it would
// ask. Needs neither a running agent nor a valid config of it.

import { readLegacyHosts } from "../core/containerd-config/convert-legacy.ts";
import { pullsLocally } from "../core/containerd-config/local-pull.ts";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import type { TakeoverMemory } from "../core/containerd-config/plan-takeover.ts";
import type { TomlMap } from "../core/containerd-config/toml-text.ts";
import { type ContainerdVersion, renderContainerdVersion } from "../core/containerd-config/versions.ts";
import {
  compileExplanation,
  describeCredential,
  type Explanation,
  type ExplanationParts,
} from "../core/explain/explanation.ts";
import { findLogin } from "../core/explain/find-login.ts";
import { forecastPull } from "../core/explain/forecast.ts";
import { certsRoots, chooseFolder, folderCandidates } from "../core/explain/hosts-folder.ts";
import { findLoaded } from "../core/explain/loaded-config.ts";
import { progressTimeoutMs } from "../core/explain/progress-timeout.ts";
import { hostOf, type PullHost, type ReadRoute, type RouteOptions, readRoute } from "../core/explain/pull-hosts.ts";
import { readTls, tlsPaths } from "../core/explain/tls-contents.ts";
import type { ImageReference } from "../core/image-reference.ts";
import type { ProxyEnvironment } from "../core/proxy.ts";
import { readPlaces, readTexts } from "../node/read-places.ts";
import { ContainerdAsker } from "../registry/ask-as-containerd.ts";
import { askHosts, type HostToAsk } from "../registry/ask-hosts.ts";
import type { HttpClient } from "../registry/http-client.ts";

export interface ExplainSettings {
  /** What the agent knows the running containerd to have loaded. */
  readonly inEffect: TakeoverMemory["inEffect"];
  readonly observed: ObservedContainerd;
  /** containerd's own, or ours where it does not run. */
  readonly proxy: ProxyEnvironment;
  readonly client: HttpClient;
  /** In Go's words: "amd64". */
  readonly architecture: string;
  /** How long each server has for each answer. */
  readonly timeoutMs: number;
}

/** There is no containerd whose behaviour could be explained. */
export class NoContainerdError extends Error {
  override readonly name = "NoContainerdError";
}

type Known = Pick<ExplanationParts, "reference" | "containerd" | "mode" | "hidden" | "doubts"> & {
  readonly version: ContainerdVersion;
  readonly blocked: string | null;
  /** The CRI's, of config.toml. */
  readonly registryTable: TomlMap;
  readonly loginOf: (host: PullHost) => ReturnType<typeof findLogin>;
};

/** Explains an image; reads files and asks servers, changes nothing. */
export async function explainImage(
  reference: ImageReference,
  settings: ExplainSettings,
  signal: AbortSignal,
): Promise<Explanation> {
  const known = describeContainerd(reference, settings);
  if (known.blocked !== null) return failBefore(known, NO_ROUTE, known.blocked);
  const candidates = folderCandidates(certsRoots(known.containerd.configPath, known.mode), reference.registry);
  const folder = chooseFolder(candidates, await readPlaces(candidates));
  if (folder.kind === "fatal") return failBefore(known, NO_ROUTE, folder.because);
  const found = folder.kind === "found" ? folder : null;
  const options = { registry: reference.registry, version: known.version };
  const route = readLegacyRoute(known, options) ?? readRoute(found, options);
  return askRoute({ ...known, hidden: found?.hidden ?? [] }, route, settings, signal);
}

/** Where config_path is not set: registry.mirrors of config.toml, as the hosts.toml that means the same. */
function readLegacyRoute({ containerd, registryTable }: Known, options: RouteOptions): ReadRoute | null {
  const legacy = containerd.configPath === "" ? readLegacyHosts(registryTable, options.registry) : null;
  if (legacy === null) return null;
  const hostsToml = { kind: "text", text: legacy.text } as const;
  const route = readRoute({ kind: "found", path: "/", names: [], hostsToml, hidden: [] }, options);
  const doubts = legacy.doubt === null ? route.doubts : [...route.doubts, legacy.doubt];
  return { ...route, source: { kind: "legacy" }, doubts };
}

const NO_ROUTE: ReadRoute = { hosts: [], source: { kind: "unread" }, doubts: [] };

function describeContainerd(reference: ImageReference, { observed, inEffect }: ExplainSettings): Known {
  const { config, daemon } = observed;
  const version = daemon?.version ?? observed.version;
  if (version === null || config === null) {
    throw new NoContainerdError("Cannot explain: no containerd was found; name it with agent.containerd.binary");
  }
  const { configPath, configPathFrom, pending, blocked, doubts } = findLoaded(config, observed, { version, inEffect });
  return {
    reference,
    version,
    blocked,
    doubts,
    hidden: [],
    mode: {
      version,
      isLocal: pullsLocally(config.images, version),
      progressTimeoutMs: progressTimeoutMs(config.images, version),
    },
    registryTable: config.registry,
    loginOf: (host) => findLogin(config.registry, hostOf(host)),
    containerd: {
      version: renderContainerdVersion(version),
      isRunning: daemon !== null,
      configPath,
      configPathFrom,
      pending,
    },
  };
}

async function askRoute(
  known: Known,
  route: ReadRoute,
  settings: ExplainSettings,
  signal: AbortSignal,
): Promise<Explanation> {
  const files = await readTexts(route.hosts.flatMap(tlsPaths));
  const hosts: HostToAsk[] = [];
  for (const host of route.hosts) {
    const read = readTls(host, files);
    if (!read.ok) return failBefore(known, route, read.because);
    hosts.push({ host, asker: createAsker(known, { host, tls: read.tls }, settings) });
  }
  const { reference, mode } = known;
  const options = { reference, mode, architecture: settings.architecture };
  const { asked, image } = await askHosts(hosts, options, signal);
  const forecast = forecastPull(asked, { mode, isDigest: reference.digest !== null, image });
  return compile(known, route, { asked, forecast });
}

function createAsker(
  { loginOf, version, reference }: Known,
  { host, tls }: Pick<ConstructorParameters<typeof ContainerdAsker>[1], "host" | "tls">,
  { client, proxy, timeoutMs }: ExplainSettings,
): ContainerdAsker {
  const { repository } = reference;
  return new ContainerdAsker(client, { host, tls, login: loginOf(host), version, repository, proxy, timeoutMs });
}

function failBefore(known: Known, route: ReadRoute, because: string): Explanation {
  return compile(known, route, { asked: [], forecast: { kind: "fails", because, at: null, delayMs: 0 } });
}

function compile(known: Known, route: ReadRoute, found: Pick<ExplanationParts, "asked" | "forecast">): Explanation {
  const { reference, containerd, mode, hidden, loginOf } = known;
  const credentialOf = (host: PullHost): string =>
    describeCredential(host, { hasLogin: loginOf(host).kind !== "none" });
  return compileExplanation({
    ...{ reference, containerd, mode, hidden, ...found },
    source: route.source,
    doubts: [...known.doubts, ...route.doubts],
    credentialOf,
  });
}
