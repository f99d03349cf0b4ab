// Shows what a pass would change, as a diff that people know how to read, without any secret in it.

import { structuredPatch } from "diff";
import { escapeControl } from "./escape-control.ts";
import { humaniseCount } from "./humanise.ts";
import { maskSecrets } from "./mask-secrets.ts";
import { paint } from "./table.ts";

export interface PlanEntry {
  readonly path: string;
  /** Null where there is no file yet. */
  readonly before: string | null;
  /** Null where the file goes. */
  readonly after: string | null;
  /** Null where it is kept or does not matter. */
  readonly mode: number | null;
  readonly because: string;
}

/** The plan for people, ends with a newline; says so when there is nothing to do. */
export function renderPlan(entries: readonly PlanEntry[], { colour }: { colour: boolean }): string {
  if (entries.length === 0) return "Nothing to change\n";
  const shown = entries.map((entry) => `${renderTitle(entry, colour)}\n${renderDiff(entry, colour)}`);
  return `${shown.join("\n")}\n${summarisePlan(entries)}\n`;
}

function summarisePlan(entries: readonly PlanEntry[]): string {
  const counts = Map.groupBy(entries, verbOf);
  return [...counts].map(([verb, { length }]) => `${humaniseCount(length, "file")} to ${verb}`).join(", ");
}

function verbOf({ before, after }: PlanEntry): string {
  if (before === null) return "create";
  return after === null ? "remove" : "change";
}

function renderTitle(entry: PlanEntry, colour: boolean): string {
  const verb = { create: "Create", change: "Change", remove: "Remove" }[verbOf(entry)];
  const mode = entry.mode === null || entry.after === null ? "" : ` (mode ${entry.mode.toString(8).padStart(4, "0")})`;
  return paint(`${verb} ${escapeControl(entry.path)}${mode}: ${escapeControl(entry.because)}`, "bold", colour);
}

function renderDiff({ path, before, after }: PlanEntry, colour: boolean): string {
  const [from, to] = maskBoth(before ?? "", after ?? "");
  const { hunks } = structuredPatch(path, path, from, to, "", "", { context: 3 });
  const name = escapeControl(path);
  const lines = [
    `--- ${before === null ? "/dev/null" : name}`,
    `+++ ${after === null ? "/dev/null" : name}`,
    ...hunks.flatMap((hunk) => [
      `@@ -${renderRange(hunk.oldStart, hunk.oldLines)} +${renderRange(hunk.newStart, hunk.newLines)} @@`,
      ...hunk.lines.map(escapeControl),
    ]),
  ];
  return lines.map((line) => `${paintLine(line, colour)}\n`).join("");
}

// An empty range is named by the line before it, as diff and patch do.
function renderRange(start: number, lines: number): string {
  return `${lines === 0 ? start - 1 : start},${lines}`;
}

// A secret that changes has to show as a change: masked alike, the diff would say that nothing does.
function maskBoth(before: string, after: string): readonly [string, string] {
  const known = new Set<string>();
  const from = maskSecrets(before, (secret) => {
    known.add(secret);
    return "(secret)";
  });
  return [from, maskSecrets(after, (secret) => (known.has(secret) || before === "" ? "(secret)" : "(other secret)"))];
}

function paintLine(line: string, colour: boolean): string {
  if (line.startsWith("+")) return paint(line, "green", colour);
  if (line.startsWith("-")) return paint(line, "red", colour);
  return line.startsWith("@@") ? paint(line, "dim", colour) : line;
}
