import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENDPOINT_PATTERN, parseEndpointUrl } from "../../../src/core/config/endpoint-url.ts";

const accepted = {
  "172.18.0.20:5000": "https://172.18.0.20:5000",
  "https://172.18.0.20:5000/v2/team-a/": "https://172.18.0.20:5000/v2/team-a",
  "172.18.0.20:5000/v2/a/b.c/d__e//": "https://172.18.0.20:5000/v2/a/b.c/d__e",
  "HTTP://Mirror.CORP:80/v2": "http://mirror.corp",
  "https://mirror.corp:443": "https://mirror.corp",
  "http://mirror.corp:443": "http://mirror.corp:443",
  "[0:0::1]:05000": "https://[::1]:5000",
  "[::ffff:10.0.0.1]": "https://[::ffff:a00:1]",
  "https://v2.corp/v2/v2": "https://v2.corp/v2/v2",
};

const refused = {
  "172.18.0.20:5000/a/b": /expected "https:\/\/172\.18\.0\.20:5000\/v2\/a\/b"$/,
  "http://[::1]/team": /expected "http:\/\/\[::1\]\/v2\/team"$/,
  "https://u:p@mirror.corp": /user or password/,
  "https://mirror.corp/v2/a?ns=gcr.io": /query/,
  "https://mirror.corp#a": /fragment/,
  "https:/mirror.corp": /port/,
  "https:///v2/a": /host is missing/,
  "unix:///run/registry.sock": /scheme/,
  "mirror.corp:": /port/,
  "mirror.corp:-1": /port/,
  "mirror.corp:+80": /port/,
  "[::1": /host/,
  "[::1]5000": /host/,
  "[fe80::1%eth0]": /IPv6/,
  "172.18.0": /IPv4/,
  "172.18.0.256": /IPv4/,
  "mirror..corp": /host/,
  "-mirror.corp": /host/,
  "m\u0131rror.corp": /host/,
  "mirror.corp/v2/../a": /namespace/,
  "mirror.corp/v2/%61": /namespace/,
  "mirror.corp\\v2": /host/,
};

describe("parseEndpointUrl() gives the canonical URL of", () => {
  for (const [text, value] of Object.entries(accepted)) {
    test(text, () => {
      assert.deepEqual(parseEndpointUrl(text), { ok: true, value });
      assert.deepEqual(parseEndpointUrl(value), { ok: true, value }, "the canonical URL stays as it is");
      assert.match(text, ENDPOINT_PATTERN);
    });
  }
});

describe("parseEndpointUrl() refuses", () => {
  for (const [text, words] of Object.entries(refused)) {
    test(text, () => {
      const result = parseEndpointUrl(text);
      assert.match(result.ok ? `accepted as ${result.value}` : result.problem, words);
    });
  }
});
