// YAML's text as tokens, bounded. The file may be anything: the yaml package takes 70 s for some inputs of
// half a megabyte and overflows the stack on others, so the bounds hold while the tokens come.

import { type CST, Lexer, type LineCounter, Parser } from "yaml";

const MOST_CHARACTERS = 512 * 1024;
const MOST_DOCUMENTS = 1_000;
const MOST_LEVELS = 100;
const MOST_BROKEN_TOKENS = 100;
const MOST_ANCHORS_AND_TAGS = 5_000;

export interface Tokens {
  readonly tokens: readonly CST.Token[];
  /** The first bound that the text breaks; its tokens are then incomplete. */
  readonly excess: { readonly offset: number; readonly problem: string } | null;
}

/** Splits the text into the yaml package's tokens, or stops at the first bound; fills the line counter. */
export function readTokens(text: string, lineCounter: LineCounter): Tokens {
  lineCounter.addNewLine(0);
  if (text.length > MOST_CHARACTERS) {
    return stop(0, `it has ${text.length} characters, expected at most ${MOST_CHARACTERS}`);
  }
  const parser = new Parser(lineCounter.addNewLine);
  const count = { documents: 0, broken: 0, properties: 0 };
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme.startsWith("&") || lexeme.startsWith("!")) count.properties += 1;
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

function findExcess(count: { documents: number; broken: number; properties: number }, levels: number): string | null {
  if (levels > MOST_LEVELS) return `it is nested more than ${MOST_LEVELS} levels deep`;
  if (count.documents > MOST_DOCUMENTS) return `it has more than ${MOST_DOCUMENTS} documents`;
  if (count.broken > MOST_BROKEN_TOKENS) return "it is not YAML";
  if (count.properties > MOST_ANCHORS_AND_TAGS) return `it has more than ${MOST_ANCHORS_AND_TAGS} anchors and tags`;
  return null;
}

function stop(offset: number, problem: string): Tokens {
  return { tokens: [], excess: { offset, problem } };
}
