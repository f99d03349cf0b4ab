// Where a registry may send us for a token. Guards in other tools broke private registries (go-containerregistry#2258:
// a token server on another port of the same private address), so private addresses are fine; what is never a token
// server is a cloud's metadata service, and a password never leaves TLS for plain http.

import ipaddr from "ipaddr.js";

/** Why `realm` must not be asked on behalf of the registry at `origin`; null if it may. */
export function realmProblem(realm: string, origin: string): string | null {
  const url = URL.parse(realm);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return `Cannot get a token: the registry names "${realm}" as its token server, which is no URL`;
  }
  if (origin.startsWith("https:") && url.protocol === "http:") {
    return `Cannot get a token: the registry names "${url.origin}" as its token server, which has no TLS`;
  }
  const range = rangeOf(url.hostname);
  if (range === "linkLocal" || url.hostname === "[fd00:ec2::254]") {
    return `Cannot get a token: the registry names "${url.origin}" as its token server, a link-local address`;
  }
  if (range === "loopback" && rangeOf(new URL(origin).hostname) !== "loopback") {
    return `Cannot get a token: the registry names "${url.origin}" as its token server, which is this machine itself`;
  }
  return null;
}

function rangeOf(hostname: string): string | null {
  if (hostname === "localhost") return "loopback";
  const text = hostname.replace(/^\[|\]$/g, "");
  return ipaddr.isValid(text) ? ipaddr.process(text).range() : null;
}
