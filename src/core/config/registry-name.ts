// The name of a registry as it stands in image references. containerd looks up certs.d by exactly this
// name, after its reference parser has turned index.docker.io into docker.io; it has no wildcards
// (remotes/docker/config/hosts.go, HostDirFromRoot), and a first part without dot, colon or "localhost"
// is no registry at all: "quay/app" is docker.io/quay/app (distribution/reference, splitDockerDomain).

import type { Registry } from "../mirror-config.ts";
import { quoteText } from "./describe-value.ts";
import { HOST_PORT_SOURCE, parseHostPort } from "./host-port.ts";
import { type Parsed, parsed, problem } from "./parsed.ts";

const DOCKER_IO_NAMES = /^(?:(?:https:\/\/)?index\.docker\.io(?:\/v1)?\/?|registry-1\.docker\.io)$/i;
const LONGEST_NAME = 255;

/** Every accepted name of one registry matches this; the published schema carries it. */
export const REGISTRY_PATTERN = new RegExp(`^(?:https://index\\.docker\\.io/v1/?|${HOST_PORT_SOURCE}/?)$`);

/** As REGISTRY_PATTERN, or "*". */
export const HOSTS_ENTRY_PATTERN = new RegExp(`^(?:\\*|https://index\\.docker\\.io/v1/?|${HOST_PORT_SOURCE}/?)$`);

/** Reads an entry of `hosts`: a registry, or "*" for every registry. */
export function parseHostsEntry(text: string): Parsed<Registry> {
  return text === "*" ? parsed("*") : parseRegistryName(text);
}

/** Reads the name of one registry; docker.io's other names become "docker.io". */
export function parseRegistryName(text: string): Parsed<Registry> {
  if (DOCKER_IO_NAMES.test(text)) return parsed("docker.io");
  const forbidden = findForbidden(text);
  if (forbidden !== null) return problem(forbidden);
  const server = parseHostPort(text.replace(/\/$/, ""));
  if (!server.ok) return server;
  const { host, port } = server.value;
  if (port === null && host !== "localhost" && !host.includes(".") && !host.startsWith("[")) {
    return problem(`it names no registry: in an image reference "${host}/..." means "docker.io/${host}/..."`);
  }
  return parsed(port === null ? host : `${host}:${port}`);
}

function findForbidden(text: string): string | null {
  if (text === "") return 'it is empty, expected a registry such as "gcr.io"';
  if (text.length > LONGEST_NAME) return `it is longer than ${LONGEST_NAME} characters`;
  if (text.includes("@")) return "a user or password does not belong here, expected them in a docker config file";
  if (text === "*") return 'one registry is meant here, "*" stands only in hosts of registryMirrors';
  if (text === "_default") return 'every registry is spelled "*"';
  if (text.includes("*")) return 'containerd has no wildcards, expected each registry by its name, or "*" for all';
  if (/[\s?#]/.test(text)) return 'expected only a host and perhaps a port, such as "gcr.io" or "registry.corp:5000"';
  return findUrlParts(text);
}

function findUrlParts(text: string): string | null {
  const [, scheme, host = "", path = ""] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?([^/]*)(.*)$/s.exec(text) ?? [];
  if (scheme === undefined && (path === "" || path === "/")) return null;
  const what = scheme === undefined ? "path" : "scheme";
  return `a registry has no ${what}, expected ${quoteText(host.toLowerCase())}`;
}
