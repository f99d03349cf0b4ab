// The mirror config from text to value. The file is the header document of a bmctl cluster file and is
// edited by hand, often in a hurry: every problem is reported at once, each with its place.

import type { Document } from "yaml";
import type { ConfigIssue } from "../config-issue.ts";
import type { MirrorConfig } from "../mirror-config.ts";
import { compileConfig } from "./compile-config.ts";
import { renderConfigPath } from "./config-path.ts";
import { type Conflict, type Loose, looseMap } from "./conflict.ts";
import { describeValue, quoteText } from "./describe-value.ts";
import { findMirrorConflicts } from "./find-mirror-conflicts.ts";
import { findMisplaced } from "./find-misplaced.ts";
import { findSchemaProblems, renderWrongValue } from "./find-schema-problems.ts";
import { findSharedUpstreams } from "./find-shared-upstreams.ts";
import { findUpstreamConflicts } from "./find-upstream-conflicts.ts";
import { type Places, placeOfKey, placeOfOffset, warningAt } from "./places.ts";
import { readDocuments } from "./read-documents.ts";
import { configSchema } from "./schema.ts";

const MOST_ISSUES = 200;

export interface ParsedConfig {
  /** Null if, and only if, an issue is an error. */
  readonly config: MirrorConfig | null;
  /** In the order of the file. */
  readonly issues: readonly ConfigIssue[];
  /** For issues that are found later, see placeOf(). */
  readonly places: Places;
}

/** Reads the mirror config; never throws. A file without anything of ours is valid and asks for nothing. */
export function parseConfig(text: string): ParsedConfig {
  const { places, foreign, issues, isReadable } = readDocuments(text);
  if (!isReadable) return { config: null, issues: arrange(issues), places };
  const { file, issues: doubles } = mergeDocuments(places);
  const result = configSchema.safeParse(file);
  const wrong = result.success ? [] : findSchemaProblems(result.error, places);
  const conflicts = findConflicts(file, wrong, places);
  const found = [...issues, ...doubles, ...wrong, ...conflicts, ...findMisplaced(foreign, places)];
  const isValid = result.success && !found.some(({ severity }) => severity === "error");
  return { config: isValid ? compileConfig(result.data) : null, issues: arrange(found), places };
}

/** bmctl reads one header; several are taken together, as if their keys stood in one. */
function mergeDocuments(places: Places): { file: Loose; issues: ConfigIssue[] } {
  const entries = new Map<string, unknown>();
  const issues: ConfigIssue[] = [];
  for (const document of places.documents) {
    const value: unknown = document.toJS({ maxAliasCount: -1 }); // aliases are bounded by findNodeProblems()
    const place = placeOfOffset(places.lineCounter, document.contents?.range[0] ?? 0);
    if (value !== null && looseMap(value) !== value) {
      const message = `Cannot use this file: expected keys such as "registryMirrors:", found ${describeValue(value)}`;
      issues.push({ severity: "error", ...place, at: "", message });
    }
    for (const [key, entry] of Object.entries(looseMap(value))) {
      if (!entries.has(key)) entries.set(key, entry);
      else issues.push(renderDouble(key, document, places));
    }
  }
  return { file: Object.fromEntries(entries), issues };
}

/** What is wrong by itself is not also said to conflict with another value. */
function findConflicts(file: Loose, wrong: readonly ConfigIssue[], places: Places): ConfigIssue[] {
  const wrongAt = new Set(wrong.map(({ at }) => at));
  const found = [...findMirrorConflicts(file), ...findUpstreamConflicts(file), ...findSharedUpstreams(file)];
  const conflicts = found.slice(0, MOST_ISSUES + 1);
  return conflicts.map((each) => renderConflict(each, places)).filter(({ at }) => !wrongAt.has(at));
}

function renderDouble(key: string, document: Document.Parsed, places: Places): ConfigIssue {
  const place = placeOfKey({ ...places, documents: [document] }, [key]);
  const text = `an earlier document of this file has the key ${quoteText(key)} too, expected it once`;
  return { severity: "error", ...place, at: key, message: `Cannot use ${key}: ${text}` };
}

function renderConflict({ severity, path, text }: Conflict, places: Places): ConfigIssue {
  return severity === "error" ? renderWrongValue(path, places, text) : warningAt(places, renderConfigPath(path), text);
}

/** In the order of the file, each once; a file that is wrong from end to end is cut short. */
function arrange(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const unique = new Map(issues.map((issue) => [`${issue.line}:${issue.column} ${issue.message}`, issue]));
  const sorted = [...unique.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  if (sorted.length <= MOST_ISSUES) return sorted;
  const errors = sorted.filter(({ severity }) => severity === "error");
  const shown = (errors.length > 0 ? errors : sorted).slice(0, MOST_ISSUES);
  const last = shown.at(-1) as ConfigIssue;
  return [...shown, { ...last, at: "", message: `Cannot show all: ${sorted.length - shown.length} more problems` }];
}
