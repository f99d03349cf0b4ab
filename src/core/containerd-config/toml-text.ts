// Reading TOML as values, and comparing values: the judge of every textual edit. @iarna/toml knows TOML 1.0,
// so a text that it refuses is refused here with its place, even if containerd should accept it.

import { parse } from "@iarna/toml";

export type TomlValue = unknown;
export type TomlMap = { readonly [key: string]: TomlValue };

export type ParsedToml =
  | { readonly ok: true; readonly value: TomlMap }
  | { readonly ok: false; readonly line: number; readonly column: number; readonly message: string };

/** Parses TOML; lines and columns count from 1, the message never quotes the text (it may hold a password). */
export function parseToml(text: string): ParsedToml {
  try {
    return { ok: true, value: parse(text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n")) as TomlMap };
  } catch (error) {
    const { line = 0, col = 0, message } = error as { line?: number; col?: number; message: string };
    // The parser has already stepped over the character that it cannot take, and counts from 0.
    return { ok: false, line: line + 1, column: Math.max(col, 1), message: firstClause(message) };
  }
}

/** What is at `path`, or undefined. */
export function valueAt(value: TomlValue, path: readonly string[]): TomlValue {
  let found = value;
  for (const key of path) found = isMap(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  return found;
}

/** The same values with `replacement` at `path`; undefined removes it. Tables on the way are made. */
export function withValueAt(value: TomlValue, path: readonly string[], replacement: TomlValue): TomlMap {
  const map = isMap(value) ? value : {};
  const [key, ...rest] = path;
  if (key === undefined) return replacement as TomlMap;
  const { [key]: before, ...others } = map;
  const after = rest.length === 0 ? replacement : withValueAt(before, rest, replacement);
  return after === undefined ? others : { ...others, [key]: after };
}

/** The same values without the tables on the way to `path` that hold nothing. */
export function withoutEmptyTables(value: TomlMap, path: readonly string[]): TomlMap {
  let pruned = value;
  for (let depth = path.length; depth > 0; depth--) {
    const table = valueAt(pruned, path.slice(0, depth));
    if (isMap(table) && Object.keys(table).length === 0) pruned = withValueAt(pruned, path.slice(0, depth), undefined);
  }
  return pruned;
}

/** Whether two parsed values are the same; the order of keys does not count. */
export function isSameValue(a: TomlValue, b: TomlValue): boolean {
  if (a instanceof Date && b instanceof Date) return a.toISOString() === b.toISOString();
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => isSameValue(item, b[i]));
  if (!isMap(a) || !isMap(b)) return Object.is(a, b);
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSameValue(a[key], b[key]))
  );
}

/** Whether a value is a table. */
export function isMap(value: TomlValue): value is TomlMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A value as a one-line string in TOML: a plain one in double quotes, or in the quotes that stood there before. */
export function renderTomlString(value: string, quote: '"' | "'" = '"'): string {
  if (quote === "'" && !/['\p{Cc}]/u.test(value)) return `'${value}'`;
  return JSON.stringify(value).replace(/\u007F/g, "\\u007F");
}

/** A key as it is written in a path: bare where it can be. */
export function renderTomlKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : renderTomlString(key);
}

/** `plugins."io.containerd.grpc.v1.cri".registry`. */
export function renderTomlPath(path: readonly string[]): string {
  return path.map(renderTomlKey).join(".");
}

function firstClause(message: string): string {
  const clause = message.split(/ at row \d+, col \d+|\n/)[0] ?? "";
  return clause.replace(/:? ?".*$/s, "").replace(/[.:]?\s*$/, "") || "syntax error";
}
