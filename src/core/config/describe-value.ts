// How a wrong value is shown in a message. People paste passwords into URLs and whole keys where a
// path belongs, and messages end up in journals: what may be a secret is masked or only named.

const LONGEST_QUOTE = 120;

/** What was found, for a message: `"yes"`, `5`, `a list`. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return describeText(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return describeKind(value);
}

/** Only the kind of a value that may be a secret: `a text`, `a number`, `a map`. */
export function describeKind(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "a text";
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}

/** A text in quotes without what stands before "@" or after "?" and "#", where URLs carry secrets. */
export function quoteText(text: string): string {
  return JSON.stringify(maskSecrets(text));
}

function describeText(text: string): string {
  const looksLikeFile = text.includes("\n") || text.startsWith("{") || text.length > LONGEST_QUOTE;
  return looksLikeFile ? `a text of ${text.length} characters` : quoteText(text);
}

function maskSecrets(text: string): string {
  const lastAt = text.lastIndexOf("@");
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(text)?.[0] ?? "";
  const unmasked = lastAt < scheme.length ? text : `${scheme}***${text.slice(lastAt)}`;
  return unmasked.replace(/([?#]).*$/s, "$1***");
}
