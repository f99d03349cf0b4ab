import assert from "node:assert/strict";
import type { lookup } from "node:dns";
import { test } from "node:test";
import { createSharedLookup } from "../../src/registry/lookup.ts";

test("createSharedLookup() asks once for a name while the answer is due, and again afterwards", () => {
  const asked: string[] = [];
  let answer: (error: null, address: string, family: number) => void = () => {};
  const resolve = (hostname: string, _options: object, callback: typeof answer): void => {
    asked.push(hostname);
    answer = callback;
  };
  const shared = createSharedLookup(resolve as unknown as typeof lookup);
  const got: unknown[] = [];
  const ask = (hostname: string): void =>
    shared(hostname, { all: false }, (_error, address) => {
      got.push(address);
    });

  ask("mirror.test");
  ask("mirror.test");
  assert.deepEqual(asked, ["mirror.test"]);
  answer(null, "192.0.2.1", 4);
  assert.deepEqual(got, ["192.0.2.1", "192.0.2.1"]);
  ask("mirror.test");
  ask("other.test");
  assert.deepEqual(asked, ["mirror.test", "mirror.test", "other.test"]);
});
