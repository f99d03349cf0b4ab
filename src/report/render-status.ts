// What `mirror-agent status` prints: one screen of 80×24 for an ordinary node, all of it for any other.

import { isStale } from "../core/status-age.ts";
import { humaniseDuration } from "./humanise.ts";
import type { Status } from "./status.ts";
import { renderSections } from "./status-sections.ts";
import { paint, type TableOptions } from "./table.ts";

export interface RenderStatusOptions extends TableOptions {
  readonly nowMs: number;
}

/** Title and the last two of them: what happened long ago is for `status --watch` and the journal. */
const TRANSITION_LINES = 3;

/** The status for people, `width` columns wide; ends with a newline. */
export function renderStatus(status: Status, options: RenderStatusOptions): string {
  const { nowMs, colour } = options;
  const sections = renderSections(status, { ...options, renderDuration: humaniseDuration });
  const { headlines, setting, endpoints, routes, transitions, credentials } = sections;
  const age = describeAge(status, nowMs);
  const shown = [
    [...headlines, ...(age === null ? [] : [paint(age, "yellow", colour)])],
    setting,
    endpoints,
    routes,
    transitions.slice(0, TRANSITION_LINES),
    credentials,
  ];
  const parts = shown.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${parts.join("\n\n")}\n`;
}

/** That this is old news, and what follows; null while it is fresh. */
export function describeAge(
  { updatedAt }: Pick<Status, "updatedAt">,
  nowMs: number,
  renderDuration = humaniseDuration,
): string | null {
  const atMs = Date.parse(updatedAt);
  if (!isStale(atMs, nowMs)) return null;
  return `This is ${renderDuration(nowMs - atMs)} old: mirror-agent is not running, or hangs`;
}
