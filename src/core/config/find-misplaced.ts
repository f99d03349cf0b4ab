// Mirrors that stand inside a Kubernetes resource. bmctl may take them from there, we skip such
// documents: without a word, an agent that does nothing would look like one that is broken.

import { type Document, isMap, type LineCounter, type ParsedNode } from "yaml";
import type { ConfigIssue } from "../config-issue.ts";
import { type Places, placeOfOffset } from "./places.ts";

const OUR_KEYS = ["registryMirrors", "privateRegistries"] as const;
const WHERE = [["spec"], ["spec", "nodeConfig"]] as const;

/** A warning for each of our keys in other people's documents. */
export function findMisplaced(foreign: readonly Document.Parsed[], { lineCounter }: Places): ConfigIssue[] {
  return foreign.flatMap((document) =>
    WHERE.flatMap((path) => {
      const map = document.getIn(path, true);
      return isMap(map) ? findOurKeys(map.items as { key: ParsedNode }[], lineCounter) : [];
    }),
  );
}

function findOurKeys(items: readonly { key: ParsedNode }[], lineCounter: LineCounter): ConfigIssue[] {
  return items.flatMap(({ key }) => {
    const name = OUR_KEYS.find((known) => String(key) === known);
    if (name === undefined) return [];
    const message = `${name} is not read from here: expected it in a document without apiVersion and kind`;
    return [{ severity: "warning" as const, ...placeOfOffset(lineCounter, key.range[0]), at: "", message }];
  });
}
