// Textual edits of one value, as small as they can be. Where TOML leaves several ways to write a key, each is
// proposed and the first is taken whose result parses to exactly the intended values; none is trusted unparsed.

import { type Span, scanToml, type TomlEntry, type TomlLayout, type TomlTable } from "./toml-scan.ts";
import { isSameValue, parseToml, renderTomlPath, type TomlMap } from "./toml-text.ts";

/** One replacement in a text. */
export interface Splice {
  readonly offset: number;
  readonly removed: string;
  readonly inserted: string;
}

type Path = readonly string[];

/** The text after an edit. */
export function applySplice(text: string, { offset, removed, inserted }: Splice): string {
  return text.slice(0, offset) + inserted + text.slice(offset + removed.length);
}

/** The first of the splices that turns `text` into one with exactly the values `want`; null if none does. */
export function chooseSplice(text: string, splices: readonly Splice[], want: TomlMap): Splice | null {
  for (const splice of splices) {
    const parsed = parseToml(applySplice(text, splice));
    if (parsed.ok && isSameValue(parsed.value, want)) return splice;
  }
  return null;
}

/** Ways to give `path` the value written as `raw`, the smallest first. `text` must parse. */
export function proposeSet(text: string, path: Path, raw: string): readonly Splice[] {
  const layout = scanToml(text);
  const present = layout.entries.find((entry) => isSamePath(entry.path, path));
  if (present) return [replaceSpan(text, present.value, raw)];
  const parent = path.slice(0, -1);
  const tables = layout.tables.filter((table) => isSamePath(table.path, parent));
  return [
    ...inlineTablesAround(layout, path).map((entry) => insertIntoInlineTable(text, entry, path, raw)),
    ...tables.map((table) => insertIntoTable(text, layout, { table, path, raw })),
    ...dottedBeside(layout, parent).map((entry) => insertBeside(text, entry, path, raw)),
    ...(parent.length === 0 ? [insertLine(text, 0, `${renderTomlPath(path)} = ${raw}`)] : []),
    appendTable(text, parent, [`${renderTomlPath(path.slice(-1))} = ${raw}`]),
  ];
}

/** Ways to take out the key at `path`, and with it nothing else. `text` must parse. */
export function proposeRemove(text: string, path: Path): readonly Splice[] {
  const present = scanToml(text).entries.find((entry) => isSamePath(entry.path, path));
  if (!present) return [];
  if (present.lines) return [removeLines(text, present.lines)];
  const { key, value } = present;
  const before = /,[ \t]*$/.exec(text.slice(0, key.start))?.[0].length ?? 0;
  const after = /^[ \t]*,[ \t]*/.exec(text.slice(value.end))?.[0].length ?? 0;
  return [
    replaceSpan(text, { start: key.start, end: value.end + after }, ""),
    replaceSpan(text, { start: key.start - before, end: value.end }, ""),
  ];
}

/** Takes out the header of a table that holds nothing, not even a comment, and a blank line before it. */
export function proposeRemoveEmptyTable(text: string, path: Path): readonly Splice[] {
  const table = scanToml(text).tables.find((found) => isSamePath(found.path, path));
  if (!table || text.slice(table.line.end, table.bodyEnd).trim() !== "") return [];
  if (text.slice(table.line.start, table.line.end).includes("#")) return [];
  const blank = /(?:^|\n)(\r?\n)$/.exec(text.slice(0, table.line.start))?.[1]?.length ?? 0;
  return [removeLines(text, { start: table.line.start - blank, end: table.line.end })];
}

/** A new table at the end, after a blank line; a missing final newline stays missing. */
export function appendTable(text: string, path: Path, lines: readonly string[]): Splice {
  const eol = eolAt(text, text.length);
  const block = [`[${renderTomlPath(path)}]`, ...lines.map((line) => `  ${line}`)].join(eol);
  if (text === "" || text === "\uFEFF") return { offset: text.length, removed: "", inserted: block + eol };
  const inserted = text.endsWith("\n") ? eol + block + eol : eol + eol + block;
  return { offset: text.length, removed: "", inserted };
}

/** Inserts a whole line at the start of the line at `offset`, or after the last one. */
export function insertLine(text: string, offset: number, line: string): Splice {
  const at = offset === 0 && text.startsWith("\uFEFF") ? 1 : offset;
  const eol = eolAt(text, at);
  const follows = at > 1 && !text.slice(0, at).endsWith("\n");
  return { offset: at, removed: "", inserted: follows ? eol + line : line + eol };
}

function insertIntoTable(
  text: string,
  layout: TomlLayout,
  { table, path, raw }: { table: TomlTable; path: Path; raw: string },
): Splice {
  const sibling = layout.entries.find((entry) => entry.lines && isWithin(entry.lines, table));
  const indent = sibling?.indent ?? `${table.indent}  `;
  return insertLine(text, table.line.end, `${indent}${renderTomlPath(path.slice(-1))} = ${raw}`);
}

function insertIntoInlineTable(text: string, entry: TomlEntry, path: Path, raw: string): Splice {
  const written = `${renderTomlPath(path.slice(entry.path.length))} = ${raw}`;
  const inside = text.slice(entry.value.start + 1, entry.value.end - 1);
  const inserted = inside.trim() === "" ? ` ${written} ` : ` ${written},${/^\s/.test(inside) ? "" : " "}`;
  return { offset: entry.value.start + 1, removed: inside.trim() === "" ? inside : "", inserted };
}

function insertBeside(text: string, entry: TomlEntry, path: Path, raw: string): Splice {
  const key = renderTomlPath(path.slice(entry.table.length));
  return insertLine(text, entry.lines?.end ?? text.length, `${entry.indent}${key} = ${raw}`);
}

function inlineTablesAround({ entries }: TomlLayout, path: Path): readonly TomlEntry[] {
  const around = entries.filter((entry) => entry.isInlineTable && isPrefix(entry.path, path));
  return around.toSorted((a, b) => b.path.length - a.path.length);
}

function dottedBeside({ entries }: TomlLayout, parent: Path): readonly TomlEntry[] {
  const isDotted = (entry: TomlEntry) => entry.table.length < parent.length && isPrefix(parent, entry.path);
  return entries.filter((entry) => entry.lines && isDotted(entry)).slice(-1);
}

function removeLines(text: string, lines: Span): Splice {
  // The last line without a newline takes the one before it along, so that none appears at the end.
  const isOpen = lines.end === text.length && !text.endsWith("\n");
  const before = isOpen ? (/\r?\n$/.exec(text.slice(0, lines.start))?.[0].length ?? 0) : 0;
  return replaceSpan(text, { start: lines.start - before, end: lines.end }, "");
}

function replaceSpan(text: string, { start, end }: Span, inserted: string): Splice {
  return { offset: start, removed: text.slice(start, end), inserted };
}

/** The line ending in use before `offset`, or else the first in the text. */
function eolAt(text: string, offset: number): "\n" | "\r\n" {
  const before = text.lastIndexOf("\n", offset - 1);
  const at = before > 0 ? before : text.indexOf("\n");
  return at > 0 && text[at - 1] === "\r" ? "\r\n" : "\n";
}

function isWithin(span: Span, table: TomlTable): boolean {
  return span.start >= table.line.end && span.end <= table.bodyEnd;
}

function isSamePath(a: Path, b: Path): boolean {
  return a.length === b.length && isPrefix(a, b);
}

function isPrefix(prefix: Path, path: Path): boolean {
  return prefix.length <= path.length && prefix.every((key, index) => key === path[index]);
}
