// Several registries may be at one URL. An endpoint is asked, probed and given its credential once, by its URL, so that
// they have to agree on what it is reached with.

import { defaultUpstream, isGoogleRegistry } from "../routes.ts";
import { type Conflict, conflict, isSet, type Loose, looseList, looseMap } from "./conflict.ts";
import { parseEndpointUrl } from "./endpoint-url.ts";
import { parseRegistryName } from "./registry-name.ts";

interface Place {
  /** As the file writes it. */
  readonly registry: string;
  readonly url: string;
  readonly credential: unknown;
  readonly caCertPath: unknown;
}

type ReadPlace = (registry: string, at: Pick<Place, "url" | "caCertPath">) => Place;

/** Registries at one upstream URL that would have it reached in different ways. */
export function findSharedUpstreams(file: Loose): Conflict[] {
  const { upstreams, failover } = looseMap(file.agent);
  if (failover === "never") return [];
  const read = placeReader(file);
  const moved = Object.entries(looseMap(upstreams)).flatMap(([key, upstream]) =>
    readMoved(key, looseMap(upstream), read),
  );
  const movedNames = new Set(moved.map(({ registry }) => nameOf(registry)));
  const unmoved = ownNames(file).filter((name) => !movedNames.has(name));
  const places = unmoved.map((name) => read(name, { url: defaultUpstream(name), caCertPath: null }));
  const firstOf = new Map(places.map((place) => [place.url, place]));
  return moved.flatMap((place) => {
    const first = firstOf.get(place.url) ?? place;
    firstOf.set(place.url, first);
    return findDifferences(place, first);
  });
}

function findDifferences(place: Place, first: Place): Conflict[] {
  const differ = [
    ...(place.credential === first.credential ? [] : ["credential"]),
    ...(place.caCertPath === first.caCertPath ? [] : ["caCertPath"]),
  ];
  return differ.map((what) => {
    const text = `"${place.url}" has another ${what} as the upstream of "${first.registry}", expected the same for one endpoint`;
    return conflict(["agent", "upstreams", place.registry, "endpoint"], text);
  });
}

function readMoved(key: string, { endpoint, caCertPath }: Loose, read: ReadPlace): Place[] {
  const url = typeof endpoint === "string" ? parseEndpointUrl(endpoint) : null;
  return url?.ok && nameOf(key) !== null ? [read(key, { url: url.value, caCertPath })] : [];
}

function placeReader(file: Loose): ReadPlace {
  const registries = looseList(file.privateRegistries).map(looseMap);
  const ownOf = new Map(registries.map((own) => [nameOf(own.host), own]));
  return (registry, { url, caCertPath }) => {
    const name = nameOf(registry);
    const own = ownOf.get(name);
    const isGoogle = isSet(file.gcrKeyPath) && isGoogleRegistry(name ?? "");
    const paths = isGoogle ? [file.gcrKeyPath] : [own?.pullCredentialConfigPath, file.privateRegistryConfigPath];
    const caPaths = [caCertPath, own?.caCertPath];
    return { registry, url, credential: paths.find(isSet) ?? null, caCertPath: caPaths.find(isSet) ?? null };
  };
}

/** The registries that stand in the file otherwise than in agent.upstreams. */
function ownNames(file: Loose): string[] {
  const mirrored = looseList(file.registryMirrors).flatMap((mirror) => looseList(looseMap(mirror).hosts));
  const own = looseList(file.privateRegistries).map((registry) => looseMap(registry).host);
  const names = [...mirrored, ...own, ...(isSet(file.gcrKeyPath) ? ["gcr.io"] : [])].map(nameOf);
  return [...new Set(names.filter((name) => name !== null))];
}

function nameOf(text: unknown): string | null {
  const name = typeof text === "string" ? parseRegistryName(text) : null;
  return name?.ok ? name.value : null;
}
