// Host and port as they stand in an image reference and in a URL. `new URL` alone will not do: it reads
// 172.18.020.5 as octal and 172.18.5 as 172.18.0.5, where containerd would look for a machine of that name.

import { type Parsed, parsed, problem } from "./parsed.ts";

export interface HostPort {
  /** Lower case; an IPv6 address in brackets and in its shortest form. */
  readonly host: string;
  readonly port: number | null;
}

/** Source of a regular expression that every host with or without port matches. */
export const HOST_PORT_SOURCE = "(?:\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?";

/** Reads `host`, `host:port`, `[ipv6]` or `[ipv6]:port`. */
export function parseHostPort(text: string): Parsed<HostPort> {
  if (!text.startsWith("[") && text.split(":").length > 2) {
    return problem('an IPv6 address stands in brackets, expected for example "[fd00::20]:5000"');
  }
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(text);
  const host = parseHost(parts?.[1] ?? "");
  if (!host.ok) return host;
  const port = parts?.[2];
  if (port === undefined) return parsed({ host: host.value, port: null });
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    return problem("the port is not a number from 1 to 65535");
  }
  return parsed({ host: host.value, port: Number(port) });
}

function parseHost(text: string): Parsed<string> {
  if (text === "") return problem('the host is missing, expected for example "172.18.0.20:5000"');
  if (text.startsWith("[")) return parseIpv6(text);
  if (/^[0-9.]+$/.test(text)) return parseIpv4(text);
  const labels = text.toLowerCase().split(".");
  const good = labels.every((label) => /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/.test(label));
  if (good && text.length <= 253) return parsed(labels.join("."));
  return problem("the host is not a name of letters, digits, dots and dashes, nor an IP address");
}

function parseIpv4(text: string): Parsed<string> {
  const octets = text.split(".");
  const good = octets.length === 4 && octets.every((octet) => /^(?:0|[1-9][0-9]{0,2})$/.test(octet) && +octet <= 255);
  return good ? parsed(text) : problem("the host is not an IPv4 address of four numbers from 0 to 255");
}

function parseIpv6(text: string): Parsed<string> {
  const url = URL.parse(`http://${text}/`);
  return url ? parsed(url.hostname) : problem("the text in brackets is not an IPv6 address");
}
