// Finds where in a TOML text each table and each value is written, which no parser of values tells. The text
// must be known to parse; what is found here is only ever used for an edit that is then parsed and compared.

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface TomlTable {
  readonly path: readonly string[];
  /** From the start of the header's line to the start of the next line. */
  readonly line: Span;
  readonly indent: string;
  /** To the start of the next header's line, or the end of the text. */
  readonly bodyEnd: number;
}

export interface TomlEntry {
  /** From the root: the table's path and the (perhaps dotted) key's. */
  readonly path: readonly string[];
  /** The path of the header under which it stands. */
  readonly table: readonly string[];
  readonly key: Span;
  readonly value: Span;
  /** The whole lines that it takes; null inside an inline table. */
  readonly lines: Span | null;
  readonly indent: string;
  readonly isInlineTable: boolean;
}

export interface TomlLayout {
  readonly tables: readonly TomlTable[];
  readonly entries: readonly TomlEntry[];
}

interface Cursor {
  readonly text: string;
  at: number;
  readonly entries: TomlEntry[];
  readonly tables: Omit<TomlTable, "bodyEnd">[];
}

type Path = readonly string[];

/** Scans a text that parses; throws on one that does not. */
export function scanToml(text: string): TomlLayout {
  const cursor: Cursor = { text, at: text.startsWith("\uFEFF") ? 1 : 0, entries: [], tables: [] };
  let table: Path = [];
  while (cursor.at < text.length) table = scanLine(cursor, table);
  const starts = cursor.tables.map((found) => found.line.start);
  return {
    tables: cursor.tables.map((found, index) => ({ ...found, bodyEnd: starts[index + 1] ?? text.length })),
    entries: cursor.entries.toSorted((a, b) => a.key.start - b.key.start),
  };
}

const BARE_KEY = /[A-Za-z0-9_-]+/y;
const SPACE = /[ \t]*/y;
const BLANK = /(?:[ \t\r\n]|#[^\n]*)*/y;
const COMMENT_AND_EOL = /[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;
const SCALAR = /[^,\]}#\r\n]*[^,\]}#\r\n \t]/y;
const STRING = /"""(?:\\[\s\S]|[^\\])*?"""{1,3}|'''[\s\S]*?'''{1,3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y;

function scanLine(cursor: Cursor, table: Path): Path {
  const start = cursor.at;
  const indent = take(cursor, SPACE);
  const first = cursor.text[cursor.at];
  const found = first === "[" ? scanHeader(cursor, start, indent) : table;
  if (first !== undefined && !"[#\r\n".includes(first)) {
    const entry = scanEntry(cursor, table, table);
    take(cursor, COMMENT_AND_EOL);
    cursor.entries.push({ ...entry, lines: { start, end: cursor.at }, indent });
  } else if (first !== "[") take(cursor, COMMENT_AND_EOL);
  if (cursor.at === start) fail(cursor);
  return found;
}

function scanHeader(cursor: Cursor, start: number, indent: string): Path {
  const brackets = cursor.text.startsWith("[[", cursor.at) ? 2 : 1;
  cursor.at += brackets;
  const path = scanKey(cursor);
  cursor.at += brackets;
  take(cursor, COMMENT_AND_EOL);
  cursor.tables.push({ path, line: { start, end: cursor.at }, indent });
  return path;
}

function scanEntry(cursor: Cursor, parent: Path, table: Path): TomlEntry {
  const start = cursor.at;
  const path = [...parent, ...scanKey(cursor)];
  const key = { start, end: cursor.at };
  expect(cursor, "=");
  take(cursor, SPACE);
  const valueStart = cursor.at;
  const isInlineTable = cursor.text[valueStart] === "{";
  scanValue(cursor, path, table);
  return { path, table, key, value: { start: valueStart, end: cursor.at }, lines: null, indent: "", isInlineTable };
}

function scanKey(cursor: Cursor): string[] {
  const path: string[] = [];
  for (;;) {
    take(cursor, SPACE);
    path.push(scanKeyPart(cursor));
    take(cursor, SPACE);
    if (cursor.text[cursor.at] !== ".") return path;
    cursor.at++;
  }
}

function scanKeyPart(cursor: Cursor): string {
  const quote = cursor.text[cursor.at];
  const raw = take(cursor, quote === '"' || quote === "'" ? STRING : BARE_KEY) || fail(cursor);
  if (quote === "'") return raw.slice(1, -1);
  return quote === '"' ? unescapeKey(raw) : raw;
}

/** JSON knows every escape of a TOML key but the eight-digit one. */
function unescapeKey(raw: string): string {
  return JSON.parse(raw.replace(/\\U([0-9A-Fa-f]{8})/g, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16))));
}

function scanValue(cursor: Cursor, path: Path, table: Path): void {
  const first = cursor.text[cursor.at];
  if (first === "[") scanArray(cursor, path, table);
  else if (first === "{") scanInlineTable(cursor, path, table);
  else take(cursor, first === '"' || first === "'" ? STRING : SCALAR) || fail(cursor);
}

function scanArray(cursor: Cursor, path: Path, table: Path): void {
  cursor.at++;
  for (;;) {
    take(cursor, BLANK);
    if (cursor.text[cursor.at] === "]") break;
    scanValue(cursor, [...path, "[]"], table);
    take(cursor, BLANK);
    if (cursor.text[cursor.at] === ",") cursor.at++;
  }
  cursor.at++;
}

function scanInlineTable(cursor: Cursor, path: Path, table: Path): void {
  cursor.at++;
  for (;;) {
    take(cursor, SPACE);
    if (cursor.text[cursor.at] === "}") break;
    cursor.entries.push(scanEntry(cursor, path, table));
    take(cursor, SPACE);
    if (cursor.text[cursor.at] === ",") cursor.at++;
  }
  cursor.at++;
}

function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0] ?? "";
  cursor.at += found.length;
  return found;
}

function expect(cursor: Cursor, character: string): void {
  if (cursor.text[cursor.at] !== character) fail(cursor);
  cursor.at++;
}

function fail(cursor: Cursor): never {
  throw new Error(`Cannot scan TOML at offset ${cursor.at}: the text does not parse`);
}
