// Rules between what the mirror config says of registries themselves (privateRegistries and
// agent.upstreams) and between the settings of probes.

import type { ConfigPath } from "./config-path.ts";
import { type Conflict, conflict, isSet, type Loose, looseList, looseMap } from "./conflict.ts";
import { parseDuration } from "./duration.ts";
import { parseEndpointUrl } from "./endpoint-url.ts";
import { PROBE_DEFAULTS } from "./probe-defaults.ts";
import { parseRegistryName } from "./registry-name.ts";

const ANY_DURATION = { least: "0ms", most: "9999h" };

/** Everything that does not go together outside registryMirrors. */
export function findUpstreamConflicts(file: Loose): Conflict[] {
  const upstreams = looseMap(looseMap(file.agent).upstreams);
  const registries = looseList(file.privateRegistries).map(looseMap);
  return [
    ...findRepeatedHosts(registries),
    ...findRepeatedUpstreams(upstreams),
    ...findCaConflicts(registries, upstreams),
    ...findHttpConflicts(upstreams),
    ...findProbeConflicts(file),
  ];
}

function findRepeatedHosts(registries: readonly Loose[]): Conflict[] {
  const names = registries.map(({ host }) => registryOf(host));
  return findRepeats(names).map(([index, first]) => {
    const text = `"${names[index]}" stands already in privateRegistries[${first}], expected each registry once`;
    return conflict(["privateRegistries", index, "host"], text);
  });
}

function findRepeatedUpstreams(upstreams: Loose): Conflict[] {
  const keys = Object.keys(upstreams);
  return findRepeats(keys.map(registryOf)).map(([index, first]) => {
    const text = `it is the same registry as "${keys[first]}", expected each once`;
    return conflict(["agent", "upstreams", keys[index] ?? ""], text);
  });
}

/** For each name that stands in the list before: its own place and that of the first. */
function findRepeats(names: readonly (string | null)[]): [index: number, first: number][] {
  const firstOf = new Map<string, number>();
  const found: [number, number][] = [];
  for (const [index, name] of names.entries()) {
    if (name === null) continue;
    const first = firstOf.get(name);
    if (first === undefined) firstOf.set(name, index);
    else found.push([index, first]);
  }
  return found;
}

function findCaConflicts(registries: readonly Loose[], upstreams: Loose): Conflict[] {
  const caOf = new Map(registries.map(({ host, caCertPath }) => [registryOf(host), caCertPath]));
  return Object.entries(upstreams).flatMap(([key, upstream]) => {
    const [here, there] = [looseMap(upstream).caCertPath, caOf.get(registryOf(key))];
    if (!isSet(here) || !isSet(there) || here === there) return [];
    const text = `privateRegistries names another caCertPath for "${registryOf(key)}", expected one`;
    return [conflict(["agent", "upstreams", key, "caCertPath"], text)];
  });
}

function findHttpConflicts(upstreams: Loose): Conflict[] {
  return Object.entries(upstreams).flatMap(([key, upstream]) => {
    const { endpoint, caCertPath } = looseMap(upstream);
    const url = typeof endpoint === "string" ? parseEndpointUrl(endpoint) : null;
    if (!url?.ok || !url.value.startsWith("http:") || !isSet(caCertPath)) return [];
    const text = `the endpoint "${url.value}" is http, expected no TLS settings, or https`;
    return [conflict(["agent", "upstreams", key, "caCertPath"], text)];
  });
}

function findProbeConflicts(file: Loose): Conflict[] {
  const probe = looseMap(looseMap(file.agent).probe);
  const intervalMs = durationOf(probe.interval) ?? PROBE_DEFAULTS.intervalMs;
  const timeoutMs = durationOf(probe.timeout) ?? Math.min(PROBE_DEFAULTS.timeoutMs, intervalMs);
  const mirrors = looseList(file.registryMirrors).map((mirror) => looseMap(looseMap(mirror).probe));
  const text = `it is longer than the interval of ${intervalMs / 1_000} s, expected at most that`;
  return [
    ...(timeoutMs > intervalMs ? [conflict(["agent", "probe", "timeout"], text)] : []),
    ...findEndlessLatency(probe, { at: ["agent", "probe"], timeoutMs }),
    ...mirrors.flatMap((own, index) => findEndlessLatency(own, { at: ["registryMirrors", index, "probe"], timeoutMs })),
  ];
}

/** No answer is ever seen to take longer than the timeout. */
function findEndlessLatency(
  { maxLatency }: Loose,
  { at, timeoutMs }: { at: ConfigPath; timeoutMs: number },
): Conflict[] {
  const maxLatencyMs = durationOf(maxLatency);
  if (maxLatencyMs === null || maxLatencyMs < timeoutMs) return [];
  const text = `a probe ends after ${timeoutMs / 1_000} s (agent.probe.timeout) anyway, expected less than that`;
  return [conflict([...at, "maxLatency"], text)];
}

function registryOf(text: unknown): string | null {
  const name = typeof text === "string" ? parseRegistryName(text) : null;
  return name?.ok ? name.value : null;
}

function durationOf(text: unknown): number | null {
  const duration = typeof text === "string" ? parseDuration(text, ANY_DURATION) : null;
  return duration?.ok ? duration.value : null;
}
