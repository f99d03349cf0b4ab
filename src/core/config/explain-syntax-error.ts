// The yaml package's errors in words for people who edit a config by hand. Its own words are for those
// who know YAML's grammar, quote the file (which may hold a secret), and place an open quote at the file's end.

import { type Document, isScalar, visit, type YAMLError } from "yaml";

export interface SyntaxProblem {
  readonly offset: number;
  readonly problem: string;
}

/** What is wrong and where; never with a text from the file. */
export function explainSyntaxError(
  error: YAMLError,
  text: string,
  documents: readonly Document.Parsed[],
): SyntaxProblem {
  const [offset] = error.pos;
  if (error.message.startsWith("Missing closing") && error.message.endsWith("quote")) {
    return { offset: findOpenQuote(offset, documents), problem: "the quote that opens here is never closed" };
  }
  if (hasBareIpv6(text, offset)) {
    const problem = 'an IPv6 address in brackets is a list to YAML, expected it in quotes, such as "[fd00::20]:5000"';
    return { offset, problem };
  }
  return { offset, problem: explainCode(error) };
}

function explainCode({ code, message }: YAMLError): string {
  if (code === "TAB_AS_INDENT") return "a tab indents this line, expected spaces";
  if (code === "NON_STRING_KEY") return "a key is no text, expected for example no unfilled {{ placeholder }}";
  if (code === "TAG_RESOLVE_FAILED") return "it has a tag that YAML does not know, expected values without tags";
  const [plain = ""] = message.split(":", 1); // the rest quotes the file
  return `it is not YAML (${plain.charAt(0).toLowerCase()}${plain.slice(1).trim()}), look at indentation and quotes`;
}

function findOpenQuote(end: number, documents: readonly Document.Parsed[]): number {
  let start = end;
  for (const document of documents) {
    visit(document, (_, node) => {
      if (!isScalar(node) || !node.range || !node.type?.startsWith("QUOTE")) return;
      if (node.range[0] < end && node.range[1] >= end) start = node.range[0];
    });
  }
  return start;
}

function hasBareIpv6(text: string, offset: number): boolean {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const line = text.slice(start, start + 300).split("\n", 1)[0] ?? "";
  return /(?:^|[\s[,-])\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]/.test(line);
}
