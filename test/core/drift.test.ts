import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../../src/core/action.ts";
import { FIGHT_LIMIT, FIGHT_WINDOW_MS, type Fights, foldDrift } from "../../src/core/drift.ts";

const write: Action = { kind: "writeFile", path: "/c/gcr.io/hosts.toml", text: "ours", mode: 0o644, because: "" };
const settled = new Map([[write.path, "ours"]]);

test("foldDrift() calls only the rewriting of what was settled a repair", () => {
  const other: Action = { ...write, path: "/c/docker.io/hosts.toml" };
  const changed: Action = { ...write, text: "new route" };
  assert.deepEqual(foldDrift(new Map(), [write, other], { settled, nowMs: 0 }).repairs, [write]);
  assert.deepEqual(foldDrift(new Map(), [changed], { settled, nowMs: 0 }).repairs, []);
});

test("foldDrift() gives a file up after the tenth repair in ten minutes, once, and keeps the rest", () => {
  let fights: Fights = new Map();
  for (let round = 0; round < FIGHT_LIMIT; round++) {
    const fold = foldDrift(fights, [write], { settled, nowMs: round * 1000 });
    assert.deepEqual(fold.actions, [write]);
    fights = fold.fights;
  }
  const other: Action = { kind: "removeFile", path: "/elsewhere", because: "" };
  const lost = foldDrift(fights, [write, other], { settled, nowMs: FIGHT_LIMIT * 1000 });
  assert.deepEqual(lost.givenUp, [write.path]);
  assert.deepEqual(lost.actions, [other]);
  const later = foldDrift(lost.fights, [write], { settled, nowMs: FIGHT_WINDOW_MS * 100 });
  assert.deepEqual([later.givenUp, later.actions], [[], []]);
});

test("foldDrift() fights on for ever at a slow pace", () => {
  let fights: Fights = new Map();
  for (let round = 0; round < 50; round++) {
    const fold = foldDrift(fights, [write], { settled, nowMs: (round * FIGHT_WINDOW_MS) / (FIGHT_LIMIT - 1) });
    assert.deepEqual(fold.actions, [write]);
    fights = fold.fights;
  }
});
