import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chooseProxy, NO_PROXY_ENVIRONMENT, readProxyEnvironment } from "../../src/core/proxy.ts";

const PROXY = "http://proxy.corp:3128";

// Each row: what it shows, NO_PROXY, URL, whether the proxy is used.
const NO_PROXY_ROWS: readonly (readonly [string, string, string, boolean])[] = [
  ["nothing set", "", "https://gcr.io", true],
  ["localhost by name", "", "https://localhost:5000", false],
  ["a name below localhost", "", "https://a.localhost:5000", true],
  ["loopback IPv4", "", "https://127.3.2.1:5000", false],
  ["loopback IPv6", "", "https://[::1]:5000", false],
  ["loopback IPv4 as IPv6", "", "https://[::ffff:127.0.0.1]:5000", false],
  ["the star", "*", "https://gcr.io", false],
  ["the star among others", "a.io, * ,b.io", "https://gcr.io", false],
  ["a CIDR around the address", "172.18.0.0/16", "https://172.18.0.20:5000", false],
  ["a CIDR with host bits", "172.18.9.9/16", "https://172.18.0.20:5000", false],
  ["a CIDR elsewhere", "172.19.0.0/16", "https://172.18.0.20:5000", true],
  ["a CIDR and a name", "0.0.0.0/0", "https://gcr.io", true],
  ["an IPv6 CIDR", "fd00::/8", "https://[fd00::20]:5000", false],
  ["an IPv6 CIDR and an IPv4 address", "::/0", "https://172.18.0.20", true],
  ["an IPv4 CIDR written as IPv6", "::ffff:172.18.0.0/112", "https://172.18.0.20", false],
  ["a CIDR with too many bits", "172.18.0.0/33", "https://172.18.0.20", true],
  ["an address", "172.18.0.20", "https://172.18.0.20:5000", false],
  ["an address with the port", "172.18.0.20:5000", "https://172.18.0.20:5000", false],
  ["an address with another port", "172.18.0.20:5001", "https://172.18.0.20:5000", true],
  ["an address with the scheme's port", "172.18.0.20:443", "https://172.18.0.20", false],
  ["an IPv6 address", "fd00::20", "https://[fd00:0::20]:5000", false],
  ["an IPv6 address with the port", "[fd00::20]:5000", "https://[fd00::20]:5000", false],
  ["an IPv6 address in brackets without port, which Go never matches", "[fd00::20]", "https://[fd00::20]", true],
  ["an address that is only a prefix", "172.18.0.2", "https://172.18.0.20", true],
  ["an address with leading zeros is a name", "172.018.0.20", "https://172.18.0.20", true],
  ["a domain itself", "corp", "https://corp", false],
  ["a domain and a name below", "mirror.corp", "https://a.mirror.corp", false],
  ["a domain that only ends alike", "mirror.corp", "https://amirror.corp", true],
  ["a leading dot and the domain itself", ".mirror.corp", "https://mirror.corp", true],
  ["a leading dot and a name below", ".mirror.corp", "https://a.mirror.corp", false],
  ["a star and a dot", "*.mirror.corp", "https://a.mirror.corp", false],
  ["a star and a dot and the domain itself", "*.mirror.corp", "https://mirror.corp", true],
  ["a star that is no pattern", "*mirror.corp", "https://a.mirror.corp", true],
  ["a domain with the port", "mirror.corp:5000", "https://mirror.corp:5000", false],
  ["a domain with another port", "mirror.corp:5000", "https://mirror.corp", true],
  ["a leading dot and a port", ".corp:5000", "https://mirror.corp:5000", false],
  ["upper case on both sides", "Mirror.CORP", "https://MIRROR.corp", false],
  ["an umlaut", "spiegel.bücher.de", "https://spiegel.bücher.de", false],
  ["a number is a domain, and the end of an address is below it", "10", "https://192.168.0.10", false],
  ["a port alone", ":5000", "https://mirror.corp:5000", true],
  ["spaces and empty entries", " , mirror.corp , ", "https://mirror.corp", false],
  ["entries that are separated by spaces only", "a.corp mirror.corp", "https://mirror.corp", true],
];

describe("chooseProxy() reads NO_PROXY as Go does", () => {
  for (const [name, noProxy, url, proxied] of NO_PROXY_ROWS) {
    test(`${name}: NO_PROXY="${noProxy}" ${url}`, () => {
      const env = { httpProxy: PROXY, httpsProxy: PROXY, noProxy };
      assert.equal(chooseProxy(url, env)?.origin ?? null, proxied ? PROXY : null);
    });
  }
});

// Each row: what it shows, HTTP_PROXY, HTTPS_PROXY, URL, the proxy.
const PROXY_ROWS: readonly (readonly [string, string, string, string, string | null])[] = [
  ["https takes HTTPS_PROXY", "http://a:1", "http://b:2", "https://gcr.io", "http://b:2/"],
  ["http takes HTTP_PROXY", "http://a:1", "http://b:2", "http://gcr.io", "http://a:1/"],
  ["HTTP_PROXY is not for https", "http://a:1", "", "https://gcr.io", null],
  ["a proxy behind https", "", "https://b:2", "https://gcr.io", "https://b:2/"],
  ["a name and port without scheme", "", "proxy.corp:3128", "https://gcr.io", "http://proxy.corp:3128/"],
  ["an address and port without scheme", "", "10.0.0.1:3128", "https://gcr.io", "http://10.0.0.1:3128/"],
  ["a name alone", "", "proxy.corp", "https://gcr.io", "http://proxy.corp/"],
  ["a user and password", "", "http://u:p%40@b:2", "https://gcr.io", "http://u:p%40@b:2/"],
  ["a user and password without scheme", "", "u:p@b:2", "https://gcr.io", "http://u:p@b:2/"],
  ["another scheme", "", "socks5://b:2", "https://gcr.io", "socks5://b:2"],
  ["nonsense", "", "a b", "https://gcr.io", null],
];

describe("chooseProxy() reads the proxy's address as Go does", () => {
  for (const [name, httpProxy, httpsProxy, url, expected] of PROXY_ROWS) {
    test(name, () => {
      assert.equal(chooseProxy(url, { httpProxy, httpsProxy, noProxy: "" })?.href ?? null, expected);
    });
  }
});

test("readProxyEnvironment() prefers upper case, and lower case to an empty upper case", () => {
  assert.deepEqual(readProxyEnvironment({}), NO_PROXY_ENVIRONMENT);
  assert.deepEqual(
    readProxyEnvironment({ HTTP_PROXY: "a", http_proxy: "b", HTTPS_PROXY: "", https_proxy: "c", no_proxy: "d" }),
    { httpProxy: "a", httpsProxy: "c", noProxy: "d" },
  );
});
