import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointHealth } from "../../src/core/health.ts";
import { passDelayMs } from "../../src/core/pass-delay.ts";

type State = EndpointHealth["state"];

const JITTER = { failoverMs: 2000, failbackMs: 30_000 };

const ROWS: readonly (readonly [string, "mirror" | "upstream", State, State, boolean, number])[] = [
  ["a mirror falls", "mirror", "up", "down", true, 1000],
  ["a mirror is down from the start", "mirror", "unknown", "down", true, 1000],
  ["a mirror recovers while something else serves", "mirror", "down", "up", true, 15_000],
  ["a mirror recovers while nothing else does", "mirror", "down", "up", false, 0],
  ["a mirror is well from the start", "mirror", "unknown", "up", true, 0],
  ["an upstream is proven to work", "upstream", "unknown", "up", true, 1000],
  ["an upstream falls", "upstream", "up", "down", true, 0],
];

for (const [name, role, from, to, isServed, delayMs] of ROWS) {
  test(`passDelayMs() when ${name}`, () => {
    const change = { endpoint: { role }, before: { state: from }, after: { state: to } };
    assert.equal(passDelayMs(change, { jitter: JITTER, random: () => 0.5, isServed }), delayMs);
  });
}

test("passDelayMs() is nothing where no jitter is wanted", () => {
  for (const [, role, from, to, isServed] of ROWS) {
    const change = { endpoint: { role }, before: { state: from }, after: { state: to } };
    const jitter = { failoverMs: 0, failbackMs: 0 };
    assert.equal(passDelayMs(change, { jitter, random: () => 0.5, isServed }), 0);
  }
});
