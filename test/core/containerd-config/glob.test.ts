// Go's filepath.Match, as containerd expands `imports`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileGlobSegment } from "../../../src/core/containerd-config/glob.ts";

const ROWS: readonly (readonly [string, string, boolean])[] = [
  ["*.toml", "a.toml", true],
  ["*.toml", ".hidden.toml", true],
  ["*.toml", "a.toml.bak", false],
  ["*", ".x", true],
  ["a?c", "abc", true],
  ["a?c", "ac", false],
  ["[a-c]*", "b1", true],
  ["[^a-c]*", "b1", false],
  ["[^a-c]*", "^", true],
  ["{a,b}*", "a", false],
  ["{a,b}*", "{a,b}x", true],
  ["a\\*b*", "a*bc", true],
  ["a\\*b*", "axbc", false],
  ["a.+$*", "a.+$", true],
  ["[\\]]*", "]", true],
  ["[&&]*", "&", true],
];

for (const [pattern, name, want] of ROWS) {
  test(`compileGlobSegment() lets "${pattern}" ${want ? "match" : "pass over"} "${name}"`, () => {
    assert.equal(compileGlobSegment(pattern)?.test(name), want);
  });
}

test("compileGlobSegment() is null for what Go calls a bad pattern", () => {
  for (const pattern of ["[a*", "a\\", "[]*"]) assert.equal(compileGlobSegment(pattern), null, pattern);
});
