import assert from "node:assert/strict";
import { test } from "node:test";
import { describeKind, describeValue, quoteText } from "../../../src/core/config/describe-value.ts";

test("describeValue() shows what is short and names the rest", () => {
  const rows = [
    ["yes", '"yes"'],
    [5, "5"],
    [false, "false"],
    [null, "nothing"],
    [undefined, "nothing"],
    [[1], "a list"],
    [{ a: 1 }, "a map"],
    ["a\nb", "a text of 3 characters"],
    ['{"private_key":"x"}', "a text of 19 characters"],
    ["x".repeat(121), "a text of 121 characters"],
  ] as const;
  for (const [value, words] of rows) assert.equal(describeValue(value), words);
});

test("describeKind() shows nothing of the value", () => {
  assert.deepEqual(["secret", 42, true, null, [], {}].map(describeKind), [
    "a text",
    "a number",
    "a boolean",
    "nothing",
    "a list",
    "a map",
  ]);
});

test("quoteText() masks users, passwords, queries and fragments", () => {
  const rows = {
    "https://u:p@h/v2": '"https://***@h/v2"',
    "https://u:p@s@h": '"https://***@h"',
    "u:p@h": '"***@h"',
    "https://u:p?q#r@h": '"https://***@h"',
    "https://h/v2?token=t": '"https://h/v2?***"',
    "https://h#t": '"https://h#***"',
    'a"\u0007': '"a\\"\\u0007"',
  };
  for (const [text, quoted] of Object.entries(rows)) assert.equal(quoteText(text), quoted);
});
