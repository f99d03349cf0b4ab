import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfigPath, renderConfigPath } from "../../../src/core/config/config-path.ts";

const rows = {
  "": [],
  "registryMirrors[0].endpoint": ["registryMirrors", 0, "endpoint"],
  'agent.upstreams["gcr.io"].caCertPath': ["agent", "upstreams", "gcr.io", "caCertPath"],
  '["a\\"]b"][12]': ['a"]b', 12],
  'upstreams[""]': ["upstreams", ""],
} as const;

test("renderConfigPath() spells paths, and parseConfigPath() reads them back", () => {
  for (const [text, path] of Object.entries(rows)) {
    assert.equal(renderConfigPath(path), text);
    assert.deepEqual(parseConfigPath(text), path);
  }
});
