// What a registry asks for when it answers 401: the WWW-Authenticate header, by RFC 9110, section 11.
// Registries send several challenges as several headers or comma-joined in one, a realm may hold
// commas and escaped quotes, and corporate proxies add Negotiate and NTLM with or without a token68.

export interface Challenge {
  /** In lower case: scheme names are case-insensitive. */
  readonly scheme: string;
  /** Names in lower case, values unquoted. */
  readonly params: Readonly<Record<string, string>>;
}

const SEPARATORS = /[\s,]*/y;
const PARAM = /([!#$%&'*+\-.^_`|~\w]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/y;
const SCHEME = /([!#$%&'*+\-.^_`|~\w]+)(?![!#$%&'*+\-.^_`|~\w]|\s*=)(?:[ \t]+[\w\-.~+/]+=*(?=\s*(?:,|$)))?/y;

/** Every challenge of all WWW-Authenticate headers, in order; what cannot be read ends its header, not the others. */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap(parseHeader);
}

/** The first challenge of a scheme, which is given in lower case. */
export function findChallenge(challenges: readonly Challenge[], scheme: string): Challenge | null {
  return challenges.find((challenge) => challenge.scheme === scheme) ?? null;
}

function parseHeader(header: string): Challenge[] {
  const found: { scheme: string; params: [string, string][] }[] = [];
  let at = skip(SEPARATORS, header, 0);
  while (at < header.length) {
    const current = found.at(-1);
    const param = current === undefined ? null : match(PARAM, header, at);
    const scheme = param === null ? match(SCHEME, header, at) : null;
    if (param !== null) current?.params.push([(param[1] ?? "").toLowerCase(), unquote(param)]);
    else if (scheme !== null) found.push({ scheme: (scheme[1] ?? "").toLowerCase(), params: [] });
    else break;
    at = skip(SEPARATORS, header, at + (param ?? scheme ?? [""])[0].length);
  }
  return found.map(({ scheme, params }) => ({ scheme, params: Object.fromEntries(params) }));
}

function unquote(param: RegExpExecArray): string {
  return param[2] === undefined ? (param[3] ?? "") : param[2].replace(/\\(.)/gs, "$1");
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0);
}
