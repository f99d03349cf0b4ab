// Words that say nothing, and marks of unfinished work, stay out of the sources.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));
const EMPTY_WORDS = /(^|[-/])(manager|helpers?|utils?|misc|common|handler|processor|data)(-|\.ts$)/;

for (const file of readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))) {
  test(`src/${file} has a name that says what it is, and nothing unfinished in it`, () => {
    assert.match(file, /^[a-z0-9-/.]+$/, "file names are kebab-case");
    assert.doesNotMatch(file.replace("credential-helper", ""), EMPTY_WORDS);
    assert.doesNotMatch(readFileSync(`${SRC}${file}`, "utf8"), /\b(TODO|FIXME|XXX|HACK)\b/);
  });
}
