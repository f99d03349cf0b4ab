import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig, parseOnce } from "../../src/agent/load-config.ts";
import { createWorkspace } from "../lab/workspace.ts";

test("parseOnce() gives the very same value for the same text, and reads a new text", () => {
  const parse = parseOnce();
  const text = "registryMirrors: [{ endpoint: https://mirror:5000 }]\n";
  const first = parse(text);
  assert.equal(parse(`${text}`), first);
  const second = parse("registryMirrors: []\n");
  assert.deepEqual([first.config?.mirrors.length, second.config?.mirrors.length], [1, 0]);
});

test("loadConfig() tells the place of a missing CA file, also with a config that was parsed before", async () => {
  await using workspace = await createWorkspace();
  const text = "registryMirrors:\n  - endpoint: https://mirror:5000\n    caCertPath: /nowhere/ca.crt\n";
  const path = await workspace.file("config.yaml", text);
  const parse = parseOnce();
  for (let n = 0; n < 2; n++) {
    const { config, issues } = await loadConfig(path, 0, parse);
    assert.equal(config, null);
    assert.deepEqual(
      issues.map(({ line, column, at }) => ({ line, column, at })),
      [{ line: 3, column: 17, at: "registryMirrors[0].caCertPath" }],
    );
  }
});
