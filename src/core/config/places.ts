// Where in the mirror config's text a value stands. Kept beside the config, because some problems are
// only found later: a CA file that is named here but missing on disk is reported at the line that names it.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Pair,
  type ParsedNode,
  type YAMLMap,
} from "yaml";
import type { ConfigIssue } from "../config-issue.ts";
import { type ConfigPath, parseConfigPath } from "./config-path.ts";

const indexes = new WeakMap<YAMLMap.Parsed, Map<string, Pair<ParsedNode, ParsedNode | null>>>();

/** Counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The YAML behind a config, for looking up places; opaque to callers. */
export interface Places {
  readonly lineCounter: LineCounter;
  /** The documents that are ours, in the order of the file. */
  readonly documents: readonly Document.Parsed[];
}

/** Where the value at a path such as "registryMirrors[0].caCertPath" starts; its nearest parent if it is absent. */
export function placeOf(places: Places, at: string): Place {
  return locate(places, parseConfigPath(at)).value;
}

/** Where the key at a path starts; for list entries and absent keys as placeOf(). */
export function placeOfKey(places: Places, path: ConfigPath): Place {
  return locate(places, path).key;
}

/** An error about the value at a path, as it is reported together with those that parseConfig() finds. */
export function errorAt(places: Places, at: string, message: string): ConfigIssue {
  return { severity: "error", ...placeOf(places, at), at, message };
}

/** A warning about the value at a path. */
export function warningAt(places: Places, at: string, message: string): ConfigIssue {
  return { ...errorAt(places, at, message), severity: "warning" };
}

/** The place of an offset into the text. */
export function placeOfOffset(lineCounter: LineCounter, offset: number): Place {
  const { line, col } = lineCounter.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function locate(places: Places, path: ConfigPath): { value: Place; key: Place } {
  const document = places.documents.find((own) => path[0] !== undefined && findPair(own.contents, path[0]) !== null);
  let node: ParsedNode | null = (document ?? places.documents[0])?.contents ?? null;
  let offsets = { value: startOf(node) ?? 0, key: startOf(node) ?? 0 };
  for (const step of path) {
    const target: ParsedNode | null = isAlias(node) ? resolveAlias(document, node) : node;
    const pair = findPair(target, step);
    const entry: ParsedNode | null = pair === null ? findEntry(target, step) : pair.value;
    if (pair === null && entry === null) {
      offsets = { value: offsets.value, key: offsets.value };
      break;
    }
    const key: number | null = startOf(pair?.key ?? null);
    const value: number = startOf(entry) ?? key ?? offsets.value;
    offsets = { value, key: key ?? value };
    node = entry;
  }
  return {
    value: placeOfOffset(places.lineCounter, offsets.value),
    key: placeOfOffset(places.lineCounter, offsets.key),
  };
}

/** An empty value ("key:" and nothing behind it) has no place of its own. */
function startOf(node: ParsedNode | null): number | null {
  if (node === null || (isScalar(node) && node.value === null && node.source === "")) return null;
  return node.range[0];
}

/** Of a key that is given twice the last one counts, as in the value that yaml makes. */
function findPair(node: ParsedNode | null, step: string | number): Pair<ParsedNode, ParsedNode | null> | null {
  return isMap(node) ? (indexPairs(node).get(String(step)) ?? null) : null;
}

/** Looked up for every issue, and a map may have tens of thousands of keys. */
function indexPairs(map: YAMLMap.Parsed): Map<string, Pair<ParsedNode, ParsedNode | null>> {
  const known = indexes.get(map);
  if (known !== undefined) return known;
  const pairs = map.items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair] as const] : []));
  const index = new Map(pairs);
  indexes.set(map, index);
  return index;
}

function findEntry(node: ParsedNode | null, step: string | number): ParsedNode | null {
  return isSeq(node) && typeof step === "number" ? ((node.items[step] as ParsedNode | undefined) ?? null) : null;
}

function resolveAlias(document: Document.Parsed | undefined, node: ParsedNode): ParsedNode | null {
  return document !== undefined && isAlias(node) ? ((node.resolve(document) as ParsedNode | undefined) ?? null) : null;
}
