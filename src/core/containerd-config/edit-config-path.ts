// The one edit that the agent makes in containerd's configuration: `config_path` in the CRI's registry table.
// Whatever else is in the file stays byte for byte, and the edit knows how to be undone in a file that
// somebody has changed since.

import {
  appendTable,
  applySplice,
  chooseSplice,
  insertLine,
  proposeRemove,
  proposeRemoveEmptyTable,
  proposeSet,
  type Splice,
} from "./toml-edit.ts";
import { scanToml } from "./toml-scan.ts";
import { isMap, isSameValue, parseToml, renderTomlString, type TomlMap, valueAt, withValueAt } from "./toml-text.ts";

export type EditResult =
  | { readonly ok: true; readonly text: string; readonly undo: ConfigPathUndo }
  | { readonly ok: false; readonly because: string };

/** What taking our value out again needs; plain JSON without anything secret. */
export interface ConfigPathUndo {
  readonly path: readonly string[];
  readonly value: string;
  /** How the value was written before us: `""`; null if the key was absent. */
  readonly previousRaw: string | null;
  /** Whether the table was not there before, so that it may go again. */
  readonly addedTable: boolean;
  /** Whether the file was without a value before, so that `version` is ours too. */
  readonly addedVersion: boolean;
  readonly splice: Splice;
}

export interface ConfigPathWish {
  /** The plugin whose `registry` table counts in this file: see `criPlugin`. */
  readonly plugin: string;
  readonly wanted: string;
}

export interface NewFile {
  readonly version: 2 | 3;
}

/** Sets `config_path` with the smallest edit of `text`, or says why that cannot be done. */
export function editConfigPath(text: string, { plugin, wanted }: ConfigPathWish): EditResult {
  const parsed = parseToml(text);
  if (!parsed.ok) return refuse(`line ${parsed.line}, column ${parsed.column}: ${parsed.message}`);
  const path = ["plugins", plugin, "registry", "config_path"];
  const previous = valueAt(parsed.value, path);
  if (previous !== undefined && typeof previous !== "string") return refuse("config_path is not a string");
  const previousRaw = rawAt(text, path);
  const raw = renderTomlString(wanted, previousRaw?.startsWith("'") ? "'" : '"');
  const want = withValueAt(parsed.value, path, wanted);
  const splice = chooseSplice(text, proposeSet(text, path, raw), want);
  if (!splice) return refuse("no edit was found that changes config_path and nothing else");
  const addedTable = valueAt(parsed.value, path.slice(0, -1)) === undefined;
  const whole = previousRaw === null ? splice : widenToLine(text, splice);
  const undo = { path, value: wanted, previousRaw, addedTable, addedVersion: false, splice: whole };
  return { ok: true, text: applySplice(text, splice), undo };
}

/** The same for a file that is absent, empty or all comments, which gets a `version` that its containerd loads. */
export function createConfigPath(text: string, { plugin, wanted, version }: ConfigPathWish & NewFile): EditResult {
  const path = ["plugins", plugin, "registry", "config_path"];
  const head = insertLine(text, text.length, `version = ${version}`);
  const table = appendTable(applySplice(text, head), path.slice(0, -1), [`config_path = ${renderTomlString(wanted)}`]);
  const splice = { ...head, inserted: head.inserted + table.inserted };
  const want = withValueAt({ version }, path, wanted);
  if (!chooseSplice(text, [splice], want)) return refuse("the file holds more than comments");
  const undo = { path, value: wanted, previousRaw: null, addedTable: true, addedVersion: true, splice };
  return { ok: true, text: applySplice(text, splice), undo };
}

export type UndoResult =
  | { readonly kind: "text"; readonly text: string }
  /** Our value is no longer there: there is nothing of ours to take out. */
  | { readonly kind: "gone" }
  | { readonly kind: "refused"; readonly because: string };

/** Takes our value out of a file that may have changed since; byte for byte the old file where it has not. */
export function undoConfigPath(text: string, undo: ConfigPathUndo): UndoResult {
  const parsed = parseToml(text);
  if (!parsed.ok)
    return { kind: "refused", because: `line ${parsed.line}, column ${parsed.column}: ${parsed.message}` };
  if (valueAt(parsed.value, undo.path) !== undo.value) return { kind: "gone" };
  const reversed = reverseSplice(text, undo.splice);
  if (reversed !== null && isUndone(reversed, parsed.value, undo)) return { kind: "text", text: reversed };
  return undoByMeaning(text, parsed.value, undo);
}

function undoByMeaning(text: string, value: TomlMap, undo: ConfigPathUndo): UndoResult {
  const { path, previousRaw } = undo;
  const splices = previousRaw === null ? proposeRemove(text, path) : proposeSet(text, path, previousRaw);
  const removed = splices.map((splice) => applySplice(text, splice)).find((after) => isUndone(after, value, undo));
  if (removed === undefined) return { kind: "refused", because: "no edit was found that takes out only config_path" };
  if (!undo.addedTable) return { kind: "text", text: removed };
  const pruned = proposeRemoveEmptyTable(removed, path.slice(0, -1)).map((splice) => applySplice(removed, splice));
  return { kind: "text", text: pruned.find((after) => isUndone(after, value, undo)) ?? removed };
}

function isUndone(after: string, value: TomlMap, undo: ConfigPathUndo): boolean {
  const parsed = parseToml(after);
  return parsed.ok && valuesAfterUndo(value, undo).some((want) => isSameValue(parsed.value, want));
}

/** The values without ours; then the same with every table gone that this leaves empty; then without our version. */
function valuesAfterUndo(value: TomlMap, { path, previousRaw, addedTable, addedVersion }: ConfigPathUndo): TomlMap[] {
  const previous = previousRaw === null ? undefined : valueAt(valuesOf(`v = ${previousRaw}`), ["v"]);
  const wants = [withValueAt(value, path, previous)];
  if (!addedTable) return wants;
  for (let depth = path.length - 1; depth > 0; depth--) {
    const last = wants.at(-1) ?? {};
    const table = valueAt(last, path.slice(0, depth));
    if (!isMap(table) || Object.keys(table).length > 0) return wants;
    wants.push(withValueAt(last, path.slice(0, depth), undefined));
  }
  const isOnlyVersion = Object.keys(wants.at(-1) ?? {}).join() === "version";
  return addedVersion && isOnlyVersion ? [...wants, {}] : wants;
}

function reverseSplice(text: string, { removed, inserted }: Splice): string | null {
  const at = text.indexOf(inserted);
  if (at < 0 || text.indexOf(inserted, at + 1) >= 0) return null;
  return applySplice(text, { offset: at, removed: inserted, inserted: removed });
}

function widenToLine(text: string, splice: Splice): Splice {
  const start = text.lastIndexOf("\n", splice.offset - 1) + 1;
  const lead = text.slice(start, splice.offset);
  return { offset: start, removed: lead + splice.removed, inserted: lead + splice.inserted };
}

function rawAt(text: string, path: readonly string[]): string | null {
  const entry = scanToml(text).entries.find((found) => found.path.join("\0") === path.join("\0"));
  return entry ? text.slice(entry.value.start, entry.value.end) : null;
}

function valuesOf(text: string): TomlMap {
  const parsed = parseToml(text);
  return parsed.ok ? parsed.value : {};
}

function refuse(because: string): EditResult {
  return { ok: false, because };
}
