// The YAML documents of the mirror config. It may be a whole bmctl cluster file: the header is ours,
// and documents with apiVersion and kind (Namespace, Cluster, NodePool) are other people's.

import { Composer, type Document, isMap, LineCounter, type YAMLError } from "yaml";
import type { ConfigIssue } from "../config-issue.ts";
import { findNodeProblems } from "./find-node-problems.ts";
import { type Places, placeOfOffset } from "./places.ts";
import { readTokens } from "./read-tokens.ts";

const MOST_SYNTAX_ERRORS = 20;

export interface Documents {
  readonly places: Places;
  readonly foreign: readonly Document.Parsed[];
  readonly issues: readonly ConfigIssue[];
}

/** Reads all documents; with an error among the issues our own must not be turned into values. */
export function readDocuments(text: string): Documents {
  const lineCounter = new LineCounter();
  const issueAt = (offset: number, problem: string): ConfigIssue => {
    const message = `Cannot read this file: ${problem}`;
    return { severity: "error", ...placeOfOffset(lineCounter, offset), at: "", message };
  };
  const { tokens, excess } = readTokens(text, lineCounter);
  const foreignBytes = excess === null ? findForeignBytes(text) : null;
  const fatal = excess ?? foreignBytes;
  if (fatal !== null) {
    return { places: { lineCounter, documents: [] }, foreign: [], issues: [issueAt(fatal.offset, fatal.problem)] };
  }
  const composer = new Composer({ merge: true, stringKeys: true, uniqueKeys: false, logLevel: "silent" });
  const documents = [...composer.compose(tokens)];
  const own = documents.filter((document) => document.contents !== null && !isForeign(document));
  const foreign = documents.filter(isForeign);
  const errors = documents.length === 0 ? composer.streamInfo().errors : documents.flatMap(findSyntaxErrors);
  const issues = errors.slice(0, MOST_SYNTAX_ERRORS).map((error) => issueAt(error.pos[0], explain(error, text)));
  for (const document of own) {
    issues.push(...findNodeProblems(document.contents).map(({ offset, problem }) => issueAt(offset, problem)));
  }
  return { places: { lineCounter, documents: own }, foreign, issues };
}

/** Bytes that are not UTF-8 reach us as U+FFFD; UTF-16 and binary files have NUL bytes. */
function findForeignBytes(text: string): { offset: number; problem: string } | null {
  const nul = text.indexOf("\0");
  if (nul >= 0) return { offset: nul, problem: "it has a NUL byte, expected text in UTF-8" };
  const replaced = text.indexOf("\uFFFD");
  return replaced < 0 ? null : { offset: replaced, problem: "it has bytes that are not UTF-8, expected text in UTF-8" };
}

function isForeign({ contents }: Document.Parsed): boolean {
  return isMap(contents) && contents.has("apiVersion") && contents.has("kind");
}

function findSyntaxErrors(document: Document.Parsed): YAMLError[] {
  if (isForeign(document)) return document.errors.filter(({ code }) => code !== "NON_STRING_KEY");
  return [...document.errors, ...document.warnings];
}

function explain({ code, message, pos }: YAMLError, text: string): string {
  const start = text.lastIndexOf("\n", pos[0] - 1) + 1;
  const line = text.slice(start, start + 300).split("\n", 1)[0] ?? "";
  if (/(?:^|[\s[,-])\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]/.test(line)) {
    return 'an IPv6 address in brackets is a list to YAML, expected it in quotes, such as "[fd00::20]:5000"';
  }
  if (code === "TAB_AS_INDENT") return "a tab indents this line, expected spaces";
  if (code === "NON_STRING_KEY") return "a key is no text, expected for example no unfilled {{ placeholder }}";
  if (code === "TAG_RESOLVE_FAILED") return "it has a tag that YAML does not know, expected values without tags";
  const [plain = ""] = message.split(/: ["'\\]/, 1); // the rest quotes the file
  return `it is not YAML (${plain.charAt(0).toLowerCase()}${plain.slice(1).trim()})`;
}
