// Takes secrets out of the text of files that we show: hosts.toml with header credentials, containerd's
// config.toml with registry logins, private keys. Works on text and not on parsed TOML, since what is on the
// node may not parse and must not leak for that.

/** Names what stands in a secret's place. */
export type MaskOf = (secret: string) => string;

const NAME = String.raw`[\w."'-]*(?:authorization|cookie|token|passw(?:or)?d|secret|credential|api-?key|private[-_]?key|headers?)[\w."'-]*|["']?auth["']?`;
const STRING = String.raw`"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'`;
// What is opened and never closed is masked to the end.
const VALUE = String.raw`\[(?:${STRING}|[^\]"'])*\]|\[[\s\S]*|${STRING}|(?:"""|''')[\s\S]*|[^\n]+`;

const RULES: readonly RegExp[] = [
  /()(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))/g,
  new RegExp(String.raw`((?:^|[{,\n])[ \t]*(?:${NAME})[ \t]*[=:][ \t]*)(${VALUE})`, "gi"),
  /(\b(?:Basic|Bearer)\s+)([\w+/=.~-]{6,})/gi,
  /(:\/\/)([^/\s"'@]+:[^/\s"'@]+)(?=@)/g,
];

// Any header may be a credential, whatever its name: hosts.toml's [host."https://m".header].
const HEADER_TABLE = /(?<=^[ \t]*\[[^\]\n]*\bheaders?[ \t]*\][^\n]*\n)(?:(?![ \t]*\[)[^\n]*(?:\n|$))+/gim;
const KEY_AND_VALUE = new RegExp(String.raw`(^[ \t]*[^#\s=][^=\n]*=[ \t]*)(${VALUE})`, "gm");

/** `text` with each secret replaced by what `maskOf` says of it. */
export function maskSecrets(text: string, maskOf: MaskOf): string {
  const mask = (_all: string, before: string, secret: string): string => before + maskOf(secret);
  const withoutHeaders = text.replace(HEADER_TABLE, (table) => table.replace(KEY_AND_VALUE, mask));
  return RULES.reduce((masked, rule) => masked.replace(rule, mask), withoutHeaders);
}
