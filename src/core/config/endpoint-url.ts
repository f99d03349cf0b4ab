// A mirror's endpoint as bmctl spells it: scheme optional, a namespace behind /v2. containerd 1.x takes
// the path as it is, so that a namespace without /v2 means a URL that no registry answers, and pulls
// silently go upstream (remotes/docker/registry.go and pkg/cri/server/image_pull.go, registryHosts).

import { quoteText } from "./describe-value.ts";
import { HOST_PORT_SOURCE, type HostPort, parseHostPort } from "./host-port.ts";
import { type Parsed, parsed, problem } from "./parsed.ts";

const NAMESPACE_PART = "[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*"; // distribution-spec, <name>
const LONGEST_ENDPOINT = 512;

/** Every accepted endpoint matches this; the published schema carries it. */
export const ENDPOINT_PATTERN = new RegExp(
  `^(?:[Hh][Tt][Tt][Pp][Ss]?://)?${HOST_PORT_SOURCE}(?:/+|/v2(?:/${NAMESPACE_PART})*/*)?$`,
);

/** Gives the canonical URL: "https://172.18.0.20:5000" or "https://172.18.0.20:5000/v2/team-a". */
export function parseEndpointUrl(text: string): Parsed<string> {
  const forbidden = findForbidden(text);
  if (forbidden !== null) return problem(forbidden);
  const [, scheme = "https", authority = "", path = ""] =
    /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?([^/]*)(.*)$/s.exec(text) ?? [];
  if (!/^https?$/i.test(scheme)) return problem('the scheme is neither "https" nor "http"');
  const server = parseHostPort(authority);
  if (!server.ok) return server;
  const root = renderRoot(scheme.toLowerCase(), server.value);
  const namespace = parseNamespace(path, root);
  if (!namespace.ok) return namespace;
  if (!ENDPOINT_PATTERN.test(text)) return problem('expected a URL such as "https://172.18.0.20:5000/v2/team-a"');
  return parsed(root + namespace.value);
}

function findForbidden(text: string): string | null {
  if (text === "") return 'it is empty, expected a URL such as "https://172.18.0.20:5000"';
  if (text.length > LONGEST_ENDPOINT) return `it is longer than ${LONGEST_ENDPOINT} characters`;
  if (text.includes("@")) return "a user or password does not belong here, expected them in a docker config file";
  if (text.includes("?")) return 'a query ("?") does not belong here';
  if (text.includes("#")) return 'a fragment ("#") does not belong here';
  if (/\s/.test(text)) return "it has a space in it";
  return null;
}

function renderRoot(scheme: string, { host, port }: HostPort): string {
  const isDefault = port === null || port === (scheme === "https" ? 443 : 80);
  return `${scheme}://${host}${isDefault ? "" : `:${port}`}`;
}

function parseNamespace(path: string, root: string): Parsed<string> {
  const trimmed = path.replace(/\/{1,512}$/, "");
  if (trimmed === "" || trimmed === "/v2") return parsed("");
  const names = trimmed.split("/").filter((part) => part !== "");
  const intended = names[0] === "v2" ? names.slice(1) : names.filter((part) => part !== "v2" && part !== "v1");
  const spelled = quoteText(`${root}/v2/${intended.join("/").toLowerCase()}`);
  if (names[0] !== "v2") return problem(`a namespace stands behind /v2, expected ${spelled}`);
  if (new RegExp(`^/v2(?:/${NAMESPACE_PART})+$`).test(trimmed)) return parsed(trimmed);
  if (trimmed !== trimmed.toLowerCase() || trimmed.includes("//")) {
    return problem(`a namespace is in lower case and has no empty part, expected ${spelled}`);
  }
  return problem("a namespace has only lower-case letters, digits and single dots, dashes or underscores between them");
}
