// What somebody who watches status.json knows: the last status that could be read, and why there is none now.

import type { Status } from "./status.ts";

export interface StatusView {
  /** The last that was seen; null before the first. */
  readonly status: Status | null;
  /** Why there is no status now, for people; null while there is. */
  readonly problem: string | null;
}

export const NOTHING_SEEN: StatusView = { status: null, problem: null };

/** The view after another look: `text` is what is in the file at `path`, null if there is none. */
export function foldView(before: StatusView, text: string | null, path: string): StatusView {
  if (text === null) return { ...before, problem: describeAbsence(path) };
  try {
    const status = JSON.parse(text) as Status | null;
    if (status?.schema === 1) return { status, problem: null };
    return { ...before, problem: `"${path}" was written by another version of mirror-agent` };
  } catch {
    return { ...before, problem: `"${path}" is not JSON: it was not written by mirror-agent` };
  }
}

/** What to say where there is no status.json. */
export function describeAbsence(path: string): string {
  return `There is no "${path}": mirror-agent is not running here; start it with systemctl start mirror-agent`;
}

/** Changes when there is news: everything but the time and what was measured. */
export function newsOf(status: Status): string {
  const { updatedAt: _, endpoints, ...rest } = status;
  return JSON.stringify({ ...rest, endpoints: endpoints.map(withoutMeasurements) });
}

function withoutMeasurements({ latencyMs: _, detail: __, ...endpoint }: Status["endpoints"][number]) {
  return endpoint;
}
