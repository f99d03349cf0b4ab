import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../src/core/config/parse-config.ts";

const SHIPPED = readFileSync(join(import.meta.dirname, "../../packaging/files/etc/mirror-agent/config.yaml"), "utf8");

test("the config of the package is valid and names no mirrors", () => {
  const { config, issues } = parseConfig(SHIPPED);
  assert.deepEqual(issues, []);
  assert.deepEqual(config?.mirrors, []);
});

test("the config of the package is valid when the marks are taken away, as it says", () => {
  const [head, rest] = SHIPPED.split(/^# Take the "# " away from here on.*$/m);
  const { config, issues } = parseConfig(`${head}${rest?.replaceAll(/^# ?/gm, "")}`);
  assert.deepEqual(issues, []);
  assert.deepEqual(
    config?.mirrors.map(({ hosts }) => hosts),
    [["gcr.io", "docker.io"]],
  );
});
