import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDuration } from "../../../src/core/config/duration.ts";

const BOUNDS = { least: "100ms", most: "1h" };

test("parseDuration() gives whole milliseconds", () => {
  const rows = {
    "100ms": 100,
    "5s": 5_000,
    "1.5s": 1_500,
    "1m": 60_000,
    "1m30s": 90_000,
    "1h": 3_600_000,
    "0.25s": 250,
  };
  for (const [text, value] of Object.entries(rows)) {
    assert.deepEqual(parseDuration(text, BOUNDS), { ok: true, value }, text);
  }
});

test("parseDuration() refuses what has no unit, another unit, a sign or a space", () => {
  for (const text of ["5", "", "s", "5 s", "-5s", "+5s", "5d", "5S", "1e3s", ".5s", "5.s", "five s", " 5s", "5s\n"]) {
    assert.equal(parseDuration(text, BOUNDS).ok, false, JSON.stringify(text));
  }
});

test("parseDuration() holds both bounds, and names them", () => {
  const problem = 'expected from "100ms" to "1h"';
  assert.deepEqual(parseDuration("99ms", BOUNDS), { ok: false, problem });
  assert.deepEqual(parseDuration("1h1ms", BOUNDS), { ok: false, problem });
});
