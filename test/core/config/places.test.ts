import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfig } from "../../../src/core/config/parse-config.ts";
import { errorAt, placeOf, warningAt } from "../../../src/core/config/places.ts";

const TEXT = `apiVersion: v1
kind: Namespace
---
registryMirrors:
  - &first
    endpoint: https://172.18.0.20:5000
    caCertPath: /etc/mirror-agent/a.crt
  - *first
  - <<: *first
    endpoint: https://172.18.0.21:5000
    caCertPath:
---
agent:
  upstreams: { gcr.io: { endpoint: https://gcr.io } }
`;

const rows = {
  "the whole file": ["", 4, 1],
  "a value": ["registryMirrors[0].caCertPath", 7, 17],
  "a list entry": ["registryMirrors[2]", 9, 5],
  "a value behind an alias": ["registryMirrors[1].caCertPath", 7, 17],
  "an empty value, at its key": ["registryMirrors[2].caCertPath", 11, 5],
  "an absent value, at its parent": ["registryMirrors[2].hosts", 9, 5],
  "an absent entry, at the list": ["registryMirrors[7].hosts", 5, 3],
  "a value in a later document": ['agent.upstreams["gcr.io"].endpoint', 14, 36],
  "an absent section, at the file's first key": ["privateRegistries[0].host", 4, 1],
} as const;

describe("placeOf() finds", () => {
  const { places } = parseConfig(TEXT);
  for (const [name, [at, line, column]] of Object.entries(rows)) {
    test(name, () => assert.deepEqual(placeOf(places, at), { line, column }));
  }
});

test("placeOf() gives the file's start for a file without anything of ours", () => {
  assert.deepEqual(placeOf(parseConfig("").places, "gcrKeyPath"), { line: 1, column: 1 });
});

test("errorAt() and warningAt() make issues at the value", () => {
  const { places } = parseConfig(TEXT);
  const at = "registryMirrors[0].caCertPath";
  const issue = { severity: "error", line: 7, column: 17, at, message: "Cannot read it: it is absent" };
  assert.deepEqual(errorAt(places, at, issue.message), issue);
  assert.deepEqual(warningAt(places, at, issue.message), { ...issue, severity: "warning" });
});
