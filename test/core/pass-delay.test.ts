import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointHealth } from "../../src/core/health.ts";
import { passDelayMs } from "../../src/core/pass-delay.ts";

const ROWS: readonly (readonly [string, "mirror" | "upstream", EndpointHealth["state"], number])[] = [
  ["a mirror falls", "mirror", "down", 1000],
  ["a mirror is up", "mirror", "up", 0],
  ["an upstream is proven to work", "upstream", "up", 1000],
  ["an upstream falls", "upstream", "down", 0],
];

for (const [name, role, state, delayMs] of ROWS) {
  test(`passDelayMs() when ${name}`, () => {
    const change = { endpoint: { role }, after: { state } };
    const usual = { jitter: { failoverMs: 2000, failbackMs: 30_000 }, random: () => 0.5, pullsHang: false };
    assert.equal(passDelayMs(change, usual), delayMs);
    assert.equal(passDelayMs(change, { ...usual, pullsHang: true }), delayMs / 4, "a quarter where pulls hang");
    assert.equal(
      passDelayMs(change, { ...usual, jitter: { failoverMs: 0, failbackMs: 0 } }),
      0,
      "where none is wanted",
    );
  });
}
