import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeControl } from "../../src/report/escape-control.ts";

test("escapeControl() spells out what would forge a line, drive a terminal or reorder text", () => {
  assert.equal(
    escapeControl("a\r\n<0>b\t\x1b[2J\x7f\x9b\u2028\u202ec"),
    "a\\r\\n<0>b\\t\\x1b[2J\\x7f\\x9b\\u2028\\u202ec",
  );
});

test("escapeControl() leaves other text alone", () => {
  assert.equal(escapeControl("Grüße, 東京 … 🙂"), "Grüße, 東京 … 🙂");
});
