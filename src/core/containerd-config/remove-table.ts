// Takes a table with everything in it out of a TOML text. Comments before a header and after the last key stay:
// nobody knows to what they belong.

import { applySplice, proposeRemove } from "./toml-edit.ts";
import { type Span, scanToml, type TomlLayout } from "./toml-scan.ts";
import { isSameValue, parseToml, type TomlMap, withoutEmptyTables, withValueAt } from "./toml-text.ts";

/** The text without the value at `path`; null if it cannot be taken out alone. Tables left empty may go or stay. */
export function removeTable(text: string, path: readonly string[]): string | null {
  const layout = scanToml(text);
  const spans = [...findTables(layout, path), ...findLines(layout, path)].toSorted((a, b) => b.start - a.start);
  let edited = text;
  for (const { start, end } of spans) {
    edited = applySplice(edited, { offset: start, removed: edited.slice(start, end), inserted: "" });
  }
  const candidates = [edited, ...proposeRemove(text, path).map((splice) => applySplice(text, splice))];
  const want = withoutEmptyTables(withValueAt(valuesOf(text), path, undefined), path);
  return candidates.find((after) => isSameValue(withoutEmptyTables(valuesOf(after), path), want)) ?? null;
}

function findTables({ tables, entries }: TomlLayout, path: readonly string[]): Span[] {
  const within = tables.filter((table) => startsWith(table.path, path));
  return within.map(({ line, bodyEnd }) => {
    const body = entries.filter(({ lines }) => lines && lines.start >= line.end && lines.end <= bodyEnd);
    return { start: line.start, end: body.at(-1)?.lines?.end ?? line.end };
  });
}

/** Keys written with a path, outside of the tables that go whole. */
function findLines({ entries }: TomlLayout, path: readonly string[]): Span[] {
  const within = entries.filter((entry) => startsWith(entry.path, path) && !startsWith(entry.table, path));
  return within.flatMap(({ lines }) => (lines ? [lines] : []));
}

function startsWith(path: readonly string[], prefix: readonly string[]): boolean {
  return prefix.every((key, index) => path[index] === key);
}

function valuesOf(text: string): TomlMap {
  const parsed = parseToml(text);
  return parsed.ok ? parsed.value : {};
}
