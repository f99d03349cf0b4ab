import assert from "node:assert/strict";
import { test } from "node:test";
import { humaniseCount, humaniseDuration, humaniseList } from "../../src/report/humanise.ts";

const DURATIONS: readonly (readonly [number, string])[] = [
  [-5, "0 ms"],
  [340.4, "340 ms"],
  [1000, "1 s"],
  [59_999, "59 s"],
  [192_000, "3 m 12 s"],
  [7_200_000, "2 h"],
  [7_230_000, "2 h"],
  [273_600_000, "3 d 4 h"],
];

for (const [ms, text] of DURATIONS) {
  test(`humaniseDuration() says ${ms} ms as "${text}"`, () => assert.equal(humaniseDuration(ms), text));
}

test("humaniseCount() counts one and many", () => {
  assert.deepEqual(
    [humaniseCount(1, "mirror"), humaniseCount(0, "mirror"), humaniseCount(2, "registry", "registries")],
    ["1 mirror", "0 mirrors", "2 registries"],
  );
});

test("humaniseList() names a few and counts the others", () => {
  const lists = [["a"], ["a", "b"], ["a", "b", "c", "d"], ["a", "b", "c", "d", "e"]];
  assert.deepEqual(
    lists.map((list) => humaniseList(list)),
    ["a", "a and b", "a, b, c and d", "a, b, c and 2 more"],
  );
});
