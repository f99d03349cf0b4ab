// What the running agent has to say about a registry, for "explain": why a mirror that is configured is not asked.
// containerd's file does not tell it: it only lacks a host.

import type { ProbeReason } from "../core/probe-result.ts";
import type { Status, StatusEndpoint } from "./status.ts";

export interface AgentNote {
  readonly endpoint: string;
  /** Whether pulls go past it now. */
  readonly isLeftOut: boolean;
  readonly state: StatusEndpoint["state"];
  readonly since: string;
  readonly reason: ProbeReason | null;
  readonly detail: string | null;
  /** How often it went down in the last hour. */
  readonly fallsInLastHour: number;
}

const HOUR_MS = 3_600_000;
const MANY_FALLS = 3;

/** About the registry's mirrors that are left out, or come and go. */
export function findAgentNotes(status: Status, registry: string, nowMs: number): AgentNote[] {
  const named = (name: string) => status.routes.find((route) => route.registry === name);
  const { leftOut = [], endpoints = [] } = named(registry) ?? named("_default") ?? {};
  const recent = (status.transitions ?? []).filter(({ at }) => nowMs - Date.parse(at) < HOUR_MS);
  return [...leftOut, ...endpoints].flatMap((url) => {
    const found = status.endpoints.find(({ endpoint, role }) => endpoint === url && role === "mirror");
    const fallsInLastHour = recent.filter(
      ({ endpoint, role, to }) => endpoint === url && role === "mirror" && to === "down",
    ).length;
    const isLeftOut = leftOut.includes(url);
    if (found === undefined || (!isLeftOut && fallsInLastHour < MANY_FALLS)) return [];
    const { endpoint, state, since, reason, detail } = found;
    return [{ endpoint, isLeftOut, state, since, reason, detail, fallsInLastHour }];
  });
}
