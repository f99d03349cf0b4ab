// Makes text from outside (a server's answer, a file's name) safe to show on one line: a newline would
// forge a log line, an escape sequence would drive the terminal, a bidi control would reorder what is read.

const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** `text` with every control character spelled out: "\n", "\x1b", "\u202e". */
export function escapeControl(text: string): string {
  return text.replace(UNSAFE, (char) => NAMED[char] ?? spell(char.charCodeAt(0)));
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function spell(code: number): string {
  const hex = code.toString(16);
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
}
