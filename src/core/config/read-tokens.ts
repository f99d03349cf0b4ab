// YAML's text as tokens, bounded. The file may be anything: the yaml package takes 70 s for some inputs of
// half a megabyte and overflows the stack on others, so the bounds hold while the tokens come.

import { type CST, Lexer, type LineCounter, Parser } from "yaml";

const MOST_CHARACTERS = 512 * 1024;
const MOST_DOCUMENTS = 1_000;
const MOST_LEVELS = 100;
const MOST_BROKEN_TOKENS = 100;
/** Aliases, anchors and tags: the yaml package looks through all of them for each. */
const MOST_MARKS = 5_000;
/** A thousand registries with three mirrors each have some 130,000. */
const MOST_LEXEMES = 200_000;

interface Count {
  lexemes: number;
  documents: number;
  broken: number;
  marks: number;
}

export interface Tokens {
  readonly tokens: readonly CST.Token[];
  /** The first bound that the text breaks; its tokens are then incomplete. */
  readonly excess: { readonly offset: number; readonly problem: string } | null;
}

/** Splits the text into the yaml package's tokens, or stops at the first bound; fills the line counter. */
export function readTokens(text: string, lineCounter: LineCounter): Tokens {
  countLines(text, lineCounter);
  if (text.length > MOST_CHARACTERS) {
    return stop(0, `it has ${text.length} characters, expected at most ${MOST_CHARACTERS}`);
  }
  const parser = new Parser();
  const count: Count = { lexemes: 0, documents: 0, broken: 0, marks: 0 };
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    count.lexemes += 1;
    if (/^[&*!]/.test(lexeme)) count.marks += 1;
    for (const token of parser.next(lexeme)) {
      if (token.type === "document") count.documents += 1;
      if (token.type === "error") count.broken += 1;
      tokens.push(token);
    }
    const problem = findExcess(count, parser.stack.length);
    if (problem !== null) return stop(parser.offset, problem);
  }
  tokens.push(...parser.end());
  return { tokens, excess: null };
}

/** The package's own count misses the lines of a quote that is never closed. */
function countLines(text: string, lineCounter: LineCounter): void {
  let start = 0;
  while (start >= 0 && start <= MOST_CHARACTERS) {
    lineCounter.addNewLine(start);
    const end = text.indexOf("\n", start);
    start = end < 0 ? -1 : end + 1;
  }
}

function findExcess(count: Count, levels: number): string | null {
  if (levels > MOST_LEVELS) return `it is nested more than ${MOST_LEVELS} levels deep`;
  if (count.documents > MOST_DOCUMENTS) return `it has more than ${MOST_DOCUMENTS} documents`;
  if (count.broken > MOST_BROKEN_TOKENS) return "it is not YAML";
  if (count.marks > MOST_MARKS) return `it has more than ${MOST_MARKS} anchors, aliases and tags`;
  if (count.lexemes > MOST_LEXEMES) return `it has more than ${MOST_LEXEMES} words and signs`;
  return null;
}

function stop(offset: number, problem: string): Tokens {
  return { tokens: [], excess: { offset, problem } };
}
