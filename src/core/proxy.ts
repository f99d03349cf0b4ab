// Which proxy a request takes. containerd leaves that to Go's http.ProxyFromEnvironment, so probes that
// are to see what containerd sees must read the same variables in the same way, quirks included
// (golang.org/x/net/http/httpproxy, proxy.go). REQUEST_METHOD, Go's guard for CGI programs, is left out.

import ipaddr from "ipaddr.js";

/** The three variables as they were set; "" where they are not. May hold a password: never log it. */
export interface ProxyEnvironment {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

export const NO_PROXY_ENVIRONMENT: ProxyEnvironment = { httpProxy: "", httpsProxy: "", noProxy: "" };

/** Picks the proxy variables out of a process environment; upper case wins over lower case, unless it is empty. */
export function readProxyEnvironment(variables: Readonly<Record<string, string | undefined>>): ProxyEnvironment {
  return {
    httpProxy: variables.HTTP_PROXY || variables.http_proxy || "",
    httpsProxy: variables.HTTPS_PROXY || variables.https_proxy || "",
    noProxy: variables.NO_PROXY || variables.no_proxy || "",
  };
}

/** The proxy for a request to `url`, or null when it goes straight. The result may hold a user and password. */
export function chooseProxy(url: URL | string, env: ProxyEnvironment): URL | null {
  const target = new URL(url);
  const proxy = parseProxy(target.protocol === "https:" ? env.httpsProxy : env.httpProxy);
  if (proxy === null) return null;
  const host = target.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  return isDirect({ host, port, ip: parseIp(host) }, env.noProxy) ? null : proxy;
}

interface Address {
  readonly host: string;
  readonly port: string;
  readonly ip: Ip | null;
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

function parseProxy(value: string): URL | null {
  if (value === "") return null;
  const proxy = URL.parse(value);
  // "proxy.corp:3128" parses as scheme "proxy.corp:" without a host; Go then puts http:// before it.
  return proxy === null || proxy.host === "" ? URL.parse(`http://${value}`) : proxy;
}

function isDirect(address: Address, noProxy: string): boolean {
  if (address.host === "localhost" || address.ip?.range() === "loopback") return true;
  const entries = noProxy.split(",").map((entry) => entry.trim().toLowerCase());
  return entries.some((entry) => entry === "*" || matchesEntry(address, entry));
}

function matchesEntry(address: Address, entry: string): boolean {
  const network = parseNetwork(entry);
  if (network !== null) return address.ip !== null && contains(network, address.ip);
  const { host, port } = splitHostPort(entry);
  if (host === "" || (port !== "" && port !== address.port)) return false;
  const ip = parseIp(host);
  if (ip !== null) return ip.toNormalizedString() === address.ip?.toNormalizedString();
  return matchesDomain(address.host, host);
}

/** "foo.com" stands for itself and all below it, ".foo.com" and "*.foo.com" only for what is below. */
function matchesDomain(host: string, domain: string): boolean {
  const suffix = domain.startsWith("*.") ? domain.slice(1) : domain;
  if (suffix.startsWith(".")) return host.endsWith(asciiDomain(suffix));
  const exact = asciiDomain(suffix);
  return host === exact || host.endsWith(`.${exact}`);
}

/** The URL's host is in punycode already, NO_PROXY perhaps not; ASCII stays as it is, or "10" became 0.0.0.10. */
function asciiDomain(domain: string): string {
  if (!/[\u0080-\uffff]/.test(domain)) return domain;
  const ascii = URL.parse(`http://${domain.replace(/^\./, "")}`)?.hostname ?? domain;
  return domain.startsWith(".") ? `.${ascii}` : ascii;
}

/** Go's net.SplitHostPort, where an entry without a port is all host: "[::1]" keeps its brackets and matches nothing. */
function splitHostPort(entry: string): { host: string; port: string } {
  const match = /^(?:\[(?<bracketed>[^[\]]*)\]|(?<plain>[^:[\]]*)):(?<port>[^:[\]]*)$/.exec(entry)?.groups;
  if (match === undefined) return { host: entry, port: "" };
  return { host: match.bracketed ?? match.plain ?? "", port: match.port ?? "" };
}

/** An IPv4 address written as IPv6 (::ffff:10.0.0.1) counts as the IPv4 address, as in Go. */
function parseIp(text: string): Ip | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes(":") || text.includes("%") || !ipaddr.IPv6.isValid(text)) return null;
  const ip = ipaddr.IPv6.parse(text);
  return ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip;
}

interface Network {
  readonly ip: Ip;
  readonly bits: number;
}

function parseNetwork(entry: string): Network | null {
  const [address = "", bits = "", ...rest] = entry.split("/");
  const ip = parseIp(address);
  if (ip === null || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) return null;
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
  const length = Number(bits) - (ip.kind() === "ipv4" && address.includes(":") ? 96 : 0);
  return length >= 0 && length <= (ip.kind() === "ipv4" ? 32 : 128) ? { ip, bits: length } : null;
}

function contains(network: Network, ip: Ip): boolean {
  return ip.kind() === network.ip.kind() && ip.match(network.ip, network.bits);
}
