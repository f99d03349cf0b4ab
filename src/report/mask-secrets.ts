// Takes secrets out of the text of files that we show: hosts.toml with header credentials, containerd's
// config.toml with registry logins, private keys. Works on text and not on parsed TOML, since what is on the
// node may not parse and must not leak for that.

/** Names what stands in a secret's place. */
export type MaskOf = (secret: string) => string;

const NAME = String.raw`["']?[\w.-]*(?:authorization|cookie|token|passw(?:or)?d|secret|credential|api-?key|private[-_]?key)[\w.-]*["']?|["']?auth["']?`;
const STRING = String.raw`"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'`;
const VALUE = String.raw`\[[^\]]*\]|${STRING}|[^\n]+`;

const RULES: readonly RegExp[] = [
  /()(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))/g,
  new RegExp(String.raw`((?:^|[{,\n])[ \t]*(?:${NAME})[ \t]*[=:][ \t]*)(${VALUE})`, "gi"),
  /(\b(?:Basic|Bearer)\s+)([\w+/=.~-]{6,})/gi,
  /(:\/\/)([^/\s"'@]+:[^/\s"'@]+)(?=@)/g,
];

/** `text` with each secret replaced by what `maskOf` says of it. */
export function maskSecrets(text: string, maskOf: MaskOf): string {
  return RULES.reduce((masked, rule) => masked.replace(rule, (_all, before, secret) => before + maskOf(secret)), text);
}
