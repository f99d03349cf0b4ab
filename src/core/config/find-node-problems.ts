// What YAML itself allows in a document but a config cannot: a key given twice (the last would win
// unseen), and aliases that lead nowhere, to themselves, or blow up ("billion laughs").
// The yaml package finds double keys too, but compares every two keys: 50,000 of them take it 70 s.

import { type Alias, isAlias, isMap, isScalar, isSeq, type ParsedNode, type YAMLMap } from "yaml";
import { quoteText } from "./describe-value.ts";

/** A thousand registries with three mirrors each have some 40,000 values. */
const MOST_VALUES = 200_000;

export interface NodeProblem {
  readonly offset: number;
  readonly problem: string;
  /** Whether the document cannot be turned into a value, in bounded time or at all. */
  readonly isFatal: boolean;
}

interface Walk {
  readonly problems: NodeProblem[];
  /** Values under each anchor, aliases counted as what they stand for; null while the walk is inside. */
  readonly sizes: Map<string, number | null>;
}

/** Gives every double key and bad alias of one document. */
export function findNodeProblems(root: ParsedNode | null): NodeProblem[] {
  const walk: Walk = { problems: [], sizes: new Map() };
  const size = measure(root, walk);
  if (size > MOST_VALUES) {
    const problem = `its aliases make it larger than ${MOST_VALUES} values, expected fewer of them`;
    walk.problems.push({ offset: root?.range[0] ?? 0, problem, isFatal: true });
  }
  return walk.problems;
}

function measure(node: ParsedNode | null, walk: Walk): number {
  if (isAlias(node)) return measureAlias(node, walk);
  const anchor = node?.anchor;
  if (anchor !== undefined) walk.sizes.set(anchor, null);
  let size = 1;
  if (isMap(node)) size += measureMap(node, walk);
  if (isSeq(node)) for (const item of node.items) size += measure(item as ParsedNode | null, walk);
  if (anchor !== undefined) walk.sizes.set(anchor, size);
  return size;
}

function measureMap(map: YAMLMap.Parsed, walk: Walk): number {
  const seen = new Set<string>();
  let size = 0;
  for (const { key, value } of map.items) {
    const name = isScalar(key) ? String(key.value) : null;
    if (name !== null && seen.has(name)) {
      const problem = `key ${quoteText(name)} is given twice, expected it once`;
      walk.problems.push({ offset: key.range[0], problem, isFatal: false });
    }
    if (name !== null) seen.add(name);
    size += measure(value, walk);
  }
  return size;
}

function measureAlias(alias: Alias.Parsed, walk: Walk): number {
  const size = walk.sizes.get(alias.source);
  if (typeof size === "number") return size;
  const name = quoteText(`*${alias.source}`);
  const problem = size === null ? `alias ${name} stands inside itself` : `alias ${name} has no anchor before it`;
  walk.problems.push({ offset: alias.range[0], problem, isFatal: true });
  return 1;
}
