// The YAML documents of the mirror config. It may be a whole bmctl cluster file: the header is ours,
// and documents with apiVersion and kind (Namespace, Cluster, NodePool) are other people's.

import { Composer, type CST, type Document, isMap, LineCounter } from "yaml";
import type { ConfigIssue } from "../config-issue.ts";
import { explainSyntaxError, type SyntaxProblem } from "./explain-syntax-error.ts";
import { findNodeProblems } from "./find-node-problems.ts";
import { type Places, placeOfOffset } from "./places.ts";
import { readTokens } from "./read-tokens.ts";

const MOST_SYNTAX_ERRORS = 20;

export interface Documents {
  readonly places: Places;
  /** Other people's documents. */
  readonly foreign: readonly Document.Parsed[];
  readonly issues: readonly ConfigIssue[];
  /** Whether our own documents can be turned into values. */
  readonly isReadable: boolean;
}

/** Reads all documents of a text, whatever it is, in bounded time. */
export function readDocuments(text: string): Documents {
  const lineCounter = new LineCounter();
  const { tokens, excess } = readTokens(text, lineCounter);
  const fatal = excess ?? findForeignBytes(text);
  if (fatal !== null) {
    const issues = [issueAt(lineCounter, fatal)];
    return { places: { lineCounter, documents: [] }, foreign: [], issues, isReadable: false };
  }
  const { own, foreign, problems } = composeDocuments(tokens, text);
  const nodeProblems = problems.length > 0 ? [] : own.flatMap(({ contents }) => findNodeProblems(contents));
  return {
    places: { lineCounter, documents: own },
    foreign,
    issues: [...problems, ...nodeProblems].map((each) => issueAt(lineCounter, each)),
    isReadable: problems.length === 0 && !nodeProblems.some(({ isFatal }) => isFatal),
  };
}

function composeDocuments(tokens: readonly CST.Token[], text: string) {
  const composer = new Composer({ merge: true, stringKeys: true, uniqueKeys: false, logLevel: "silent" });
  const documents = [...composer.compose(tokens)];
  const errors = documents.length === 0 ? composer.streamInfo().errors : documents.flatMap(findSyntaxErrors);
  return {
    own: documents.filter((document) => document.contents !== null && !isForeign(document)),
    foreign: documents.filter(isForeign),
    problems: errors.slice(0, MOST_SYNTAX_ERRORS).map((error) => explainSyntaxError(error, text, documents)),
  };
}

function isForeign({ contents }: Document.Parsed): boolean {
  return isMap(contents) && contents.has("apiVersion") && contents.has("kind");
}

/** In our own documents an unknown tag, which is only a warning to yaml, is an error too. */
function findSyntaxErrors(document: Document.Parsed) {
  if (isForeign(document)) return document.errors.filter(({ code }) => code !== "NON_STRING_KEY");
  return [...document.errors, ...document.warnings];
}

/** Bytes that are not UTF-8 reach us as U+FFFD; UTF-16 and binary files have NUL bytes. */
function findForeignBytes(text: string): SyntaxProblem | null {
  const nul = text.indexOf("\0");
  if (nul >= 0) return { offset: nul, problem: "it has a NUL byte, expected text in UTF-8" };
  const replaced = text.indexOf("\uFFFD");
  return replaced < 0 ? null : { offset: replaced, problem: "it has bytes that are not UTF-8, expected text in UTF-8" };
}

function issueAt(lineCounter: LineCounter, { offset, problem }: SyntaxProblem): ConfigIssue {
  const message = `Cannot read this file: ${problem}`;
  return { severity: "error", ...placeOfOffset(lineCounter, offset), at: "", message };
}
