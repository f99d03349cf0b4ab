// Rules between the settings of mirrors. A mirror tried twice for one registry doubles every time-out,
// and an endpoint is probed once for all registries, so it needs the same settings wherever it is named.
// With TLS settings on an http endpoint containerd tries https first (remotes/docker/config/hosts.go).

import { isDeepStrictEqual } from "node:util";
import type { Registry } from "../mirror-config.ts";
import { type Conflict, conflict, doubt, isSet, type Loose, looseList, looseMap } from "./conflict.ts";
import { defaultHosts } from "./default-hosts.ts";
import { parseEndpointUrl } from "./endpoint-url.ts";
import { parseProbeImage } from "./probe-image.ts";
import { parseHostsEntry, parseRegistryName } from "./registry-name.ts";

const TLS_KEYS = ["caCertPath", "clientCertPath", "clientKeyPath", "insecureSkipVerify"] as const;
const PROBED_WITH = [...TLS_KEYS, "pullCredentialConfigPath", "probe"] as const;

interface Draft {
  readonly at: readonly (string | number)[];
  readonly settings: Loose;
  /** Null while it is wrong by itself. */
  readonly endpoint: string | null;
  /** In the order of the file; null for each that is wrong by itself. */
  readonly hosts: readonly (Registry | null)[];
}

/** Everything that does not go together in registryMirrors. */
export function findMirrorConflicts(file: Loose): Conflict[] {
  const drafts = looseList(file.registryMirrors).map((mirror, index) => readDraft(looseMap(mirror), { index, file }));
  const moved = Object.keys(looseMap(looseMap(file.agent).upstreams)).map(parseRegistryName);
  const movedNames = new Set(moved.flatMap((registry) => (registry.ok ? [registry.value] : [])));
  return [
    ...drafts.flatMap((draft) => [
      ...findTlsConflicts(draft),
      ...findHostsDoubts(draft, movedNames),
      ...findForeignImage(draft),
    ]),
    ...findRepeats(drafts),
    ...findUnresolvable(drafts, file),
  ];
}

function readDraft(settings: Loose, { index, file }: { index: number; file: Loose }): Draft {
  const endpoint = typeof settings.endpoint === "string" ? parseEndpointUrl(settings.endpoint) : null;
  const hosts = Array.isArray(settings.hosts)
    ? settings.hosts.map((host) => parseHostsEntry(String(host)))
    : defaultHosts(isSet(file.privateRegistryConfigPath)).map(parseHostsEntry);
  return {
    at: ["registryMirrors", index],
    settings,
    endpoint: endpoint?.ok ? endpoint.value : null,
    hosts: hosts.map((host) => (host.ok ? host.value : null)),
  };
}

function findTlsConflicts({ at, settings, endpoint }: Draft): Conflict[] {
  const found: Conflict[] = [];
  const hasCert = isSet(settings.clientCertPath);
  if (hasCert !== isSet(settings.clientKeyPath)) {
    const [given, missing] = hasCert ? ["clientCertPath", "clientKeyPath"] : ["clientKeyPath", "clientCertPath"];
    const text = `it needs ${missing} beside it, which may name the same file if that holds both`;
    found.push(conflict([...at, given], text));
  }
  const isHttp = endpoint?.startsWith("http:") ?? false;
  if (!isHttp && isSet(settings.insecureSkipVerify) && isSet(settings.caCertPath)) {
    const text = "The caCertPath of this mirror has no effect: insecureSkipVerify accepts any certificate";
    found.push(doubt([...at, "insecureSkipVerify"], text));
  }
  if (!isHttp) return found;
  for (const key of TLS_KEYS.filter((key) => isSet(settings[key]))) {
    found.push(conflict([...at, key], `the endpoint "${endpoint}" is http, expected no TLS settings, or https`));
  }
  if (isSet(settings.pullCredentialConfigPath)) {
    const text = `The credentials of "${endpoint}" go over the network unencrypted: it is http`;
    found.push(doubt([...at, "pullCredentialConfigPath"], text));
  }
  return found;
}

/** containerd asks a mirror for the images of its registries alone. */
function findForeignImage({ at, hosts, settings }: Draft): Conflict[] {
  const { image } = looseMap(settings.probe);
  const parsed = typeof image === "string" ? parseProbeImage(image) : null;
  const registry = parsed?.ok ? parsed.value.registry : null;
  if (registry === null || hosts.includes(registry) || hosts.includes("*") || hosts.includes(null)) return [];
  const text = `this mirror does not mirror "${registry}", expected an image of a registry in its hosts`;
  return [conflict([...at, "probe", "image"], text)];
}

/** A registry whose upstream is elsewhere may be mirrored at its own name. */
function findHostsDoubts({ at, hosts, endpoint }: Draft, moved: ReadonlySet<Registry>): Conflict[] {
  const found: Conflict[] = [];
  const seen = new Set<Registry>();
  for (const [index, host] of hosts.entries()) {
    if (host === null) continue;
    if (seen.has(host)) {
      found.push(doubt([...at, "hosts", index], `"${host}" stands twice in hosts of this mirror: once is enough`));
    } else if (!moved.has(host) && (endpoint === `https://${host}` || endpoint === `http://${host}`)) {
      const text = `"${endpoint}" is the registry "${host}" itself: while it is down there is no other way to pull`;
      found.push(doubt([...at, "endpoint"], text));
    }
    seen.add(host);
  }
  return found;
}

function findRepeats(drafts: readonly Draft[]): Conflict[] {
  const found: Conflict[] = [];
  const firstOf = new Map<string, Draft>();
  for (const draft of drafts) {
    if (draft.endpoint === null) continue;
    const first = firstOf.get(draft.endpoint);
    if (first === undefined) firstOf.set(draft.endpoint, draft);
    else found.push(...findDifferences(draft, first));
    for (const host of new Set(draft.hosts)) {
      if (host === null) continue;
      const other = firstOf.get(`${draft.endpoint} ${host}`);
      firstOf.set(`${draft.endpoint} ${host}`, other ?? draft);
      if (other === undefined) continue;
      const text = `"${draft.endpoint}" mirrors "${host}" already in ${nameOf(other)}, expected it once for a registry`;
      found.push(conflict([...draft.at, "endpoint"], text));
    }
  }
  return found;
}

function findDifferences(draft: Draft, first: Draft): Conflict[] {
  const differ = PROBED_WITH.filter((key) => {
    const [here, there] = [draft.settings[key], first.settings[key]];
    return !isDeepStrictEqual(here, there) && (isSet(here) || isSet(there));
  });
  return differ.map((key) => {
    const text = `"${draft.endpoint}" has another ${key} in ${nameOf(first)}, expected the same for one endpoint`;
    return conflict([...draft.at, key], text);
  });
}

/** With failover "never" nobody upstream is asked, so some mirror of each registry has to resolve tags. */
function findUnresolvable(drafts: readonly Draft[], file: Loose): Conflict[] {
  if (looseMap(file.agent).failover !== "never") return [];
  const resolved = new Set(
    drafts.filter((draft) => draft.settings.resolveTags !== false).flatMap(({ hosts }) => hosts),
  );
  const found: Conflict[] = [];
  for (const { at, hosts, settings } of drafts) {
    const host = hosts.find((name) => name !== null && !resolved.has(name) && !resolved.has("*"));
    if (settings.resolveTags !== false || host === undefined) continue;
    const text = `with failover "never" no tag of "${host}" could be resolved, expected a mirror of it that resolves tags`;
    found.push(conflict([...at, "resolveTags"], text));
  }
  return found;
}

function nameOf(draft: Draft): string {
  return `registryMirrors[${draft.at[1]}]`;
}
