import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseHostsEntry, parseRegistryName, REGISTRY_PATTERN } from "../../../src/core/config/registry-name.ts";

const accepted = {
  "gcr.io": "gcr.io",
  "GCR.io/": "gcr.io",
  "gcr.io:443": "gcr.io:443", // containerd looks for the port if the image reference has it
  "registry:5000": "registry:5000",
  localhost: "localhost",
  "[::1]": "[::1]",
  "docker.io": "docker.io",
  "index.docker.io": "docker.io",
  "registry-1.docker.io": "docker.io",
  "https://index.docker.io/v1/": "docker.io",
  "https://index.docker.io/v1": "docker.io",
};

const refused = {
  "https://gcr.io": /no scheme, expected "gcr\.io"$/,
  "http://Registry.corp:5000/v2": /no scheme, expected "registry\.corp:5000"$/,
  "gcr.io/project": /no path, expected "gcr\.io"$/,
  quay: /docker\.io\/quay/,
  "*.gcr.io": /wildcards/,
  "*": /one registry/,
  _default: /"\*"/,
  "u:p@gcr.io": /user or password/,
  "gcr.io?": /host and perhaps a port/,
  "": /empty/,
  "::1": /brackets/,
};

describe("parseRegistryName() gives the canonical name of", () => {
  for (const [text, value] of Object.entries(accepted)) {
    test(text, () => {
      assert.deepEqual(parseRegistryName(text), { ok: true, value });
      assert.match(text, REGISTRY_PATTERN);
    });
  }
});

describe("parseRegistryName() refuses", () => {
  for (const [text, words] of Object.entries(refused)) {
    test(JSON.stringify(text), () => {
      const result = parseRegistryName(text);
      assert.match(result.ok ? `accepted as ${result.value}` : result.problem, words);
    });
  }
});

test("parseHostsEntry() takes the asterisk for every registry", () => {
  assert.deepEqual(parseHostsEntry("*"), { ok: true, value: "*" });
  assert.deepEqual(parseHostsEntry("index.docker.io"), { ok: true, value: "docker.io" });
});
