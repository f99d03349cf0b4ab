// The live screen of `status --watch`: exactly as many lines as the terminal has rows, none wider than it. What does
// not fit is left out in the order in which it matters least, and each part says how much is missing. Durations are
// rough, so that a screen on which nothing happens is not drawn anew every second.

import { stripVTControlCharacters } from "node:util";
import { wrapText } from "./fit-text.ts";
import { humaniseCount, humaniseRoughly, humaniseTime } from "./humanise.ts";
import { describeAge } from "./render-status.ts";
import type { Status, StatusEndpoint } from "./status.ts";
import { renderSections, type SectionOptions } from "./status-sections.ts";
import type { StatusView } from "./status-view.ts";
import { paint } from "./table.ts";

export interface ScreenOptions extends Omit<SectionOptions, "renderDuration"> {
  readonly height: number;
}

interface Part {
  readonly lines: readonly string[];
  /** So many lines it keeps while another part has more than its own. */
  readonly least: number;
  /** The lowest gives way first. */
  readonly rank: number;
  readonly kept: number;
}

/** The screen's lines, as many as it has rows. */
export function renderScreen(view: StatusView, options: ScreenOptions): string[] {
  const rows = Math.max(0, options.height - 1);
  const parts = [describeProblem(view, options), ...(view.status === null ? [] : renderParts(view.status, options))];
  const lines = joinParts(fitParts(parts, rows)).slice(0, rows);
  const blank = Array.from({ length: rows - lines.length }, () => "");
  return [...lines, ...blank, renderFooter(view, options)].slice(0, options.height);
}

function describeProblem({ status, problem }: StatusView, { nowMs, width, colour }: ScreenOptions): Part {
  const age = status === null ? null : describeAge(status, nowMs, humaniseRoughly);
  const texts = [...(problem === null ? [] : [problem]), ...(problem === null && age !== null ? [age] : [])];
  if (status !== null && problem !== null) texts.push("What it said last:");
  if (status === null && problem === null) texts.push("Reading the status");
  const lines = texts.flatMap((text) => wrapText(text, width)).map((line) => paint(line, "yellow", colour));
  return part(lines, { least: lines.length, rank: 7 });
}

function renderParts(status: Status, options: ScreenOptions): Part[] {
  const sorted = { ...status, endpoints: [...status.endpoints].sort((a, b) => urgency(a) - urgency(b)) };
  const sections = renderSections(sorted, { ...options, renderDuration: humaniseRoughly });
  const { headlines, setting, endpoints, routes, transitions, credentials } = sections;
  return [
    part(headlines, { least: headlines.length, rank: 6 }),
    part(setting, { least: setting.length, rank: 4 }),
    part(endpoints, { least: 4, rank: 5 }),
    part(routes, { least: 3, rank: 3 }),
    part(transitions, { least: 3, rank: 2 }),
    part(credentials, { least: 3, rank: 1 }),
  ];
}

function part(lines: readonly string[], { least, rank }: Pick<Part, "least" | "rank">): Part {
  return { lines, least, rank, kept: lines.length };
}

function urgency({ state }: StatusEndpoint): number {
  return { down: 0, unknown: 1, up: 2 }[state];
}

// First each down to its least, then away altogether, until all that is left fits.
function fitParts(parts: readonly Part[], rows: number): Part[] {
  let fitted = [...parts];
  const inOrder = parts.map((_, at) => at).sort((a, b) => rankOf(parts, a) - rankOf(parts, b));
  for (const keepsLeast of [true, false]) {
    for (const at of inOrder) {
      const excess = joinParts(fitted).length - rows;
      if (excess <= 0) return fitted;
      fitted = fitted.map((part, index) => (index === at ? cutPart(part, excess, keepsLeast) : part));
    }
  }
  return fitted;
}

function rankOf(parts: readonly Part[], at: number): number {
  return parts[at]?.rank ?? 0;
}

function cutPart(part: Part, excess: number, keepsLeast: boolean): Part {
  const kept = Math.max(keepsLeast ? part.least : 0, part.kept - excess);
  if (kept >= part.kept) return part;
  // A title and how much is missing below it say nothing.
  return { ...part, kept: kept < 3 ? 0 : kept };
}

function joinParts(parts: readonly Part[]): string[] {
  const shown = parts.filter(({ kept }) => kept > 0);
  return shown.flatMap((part, index) => [...(index === 0 ? [] : [""]), ...keptLines(part)]);
}

function keptLines({ lines, kept }: Part): readonly string[] {
  if (kept === lines.length) return lines;
  return [...lines.slice(0, kept - 1), `  … ${humaniseCount(lines.length - kept + 1, "more line")}`];
}

function renderFooter({ status }: StatusView, { width, colour, nowMs }: ScreenOptions): string {
  const updated = status === null ? "" : `, of ${humaniseTime(status.updatedAt, nowMs)}`;
  return paint(`mirror-agent status${updated}; q quits`.slice(0, width), "dim", colour);
}

/** What makes a terminal of `width` columns that shows `before` show `after`: only lines that differ are written. */
export function renderChanges(before: readonly string[], after: readonly string[], width: number): string {
  const lines = after.map((line, row) => {
    if (line === before[row]) return "";
    // With the cursor on the last column, erasing to the end would take the last character.
    const isFull = stripVTControlCharacters(line).length >= width;
    return `\x1b[${row + 1};1H${line}${isFull ? "" : "\x1b[K"}`;
  });
  return lines.join("");
}
