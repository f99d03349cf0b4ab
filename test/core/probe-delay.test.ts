import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EndpointHealth, unknownHealth } from "../../src/core/health.ts";
import { nextProbeDelayMs } from "../../src/core/probe-delay.ts";

const SETTINGS = { intervalMs: 5000, timeoutMs: 2000, fall: 2, rise: 2 };

const ROWS: readonly (readonly [string, Partial<EndpointHealth>, number, number])[] = [
  ["settled up", { state: "up" }, 5000, 30_000],
  ["up with a failure", { state: "up", streak: 1 }, 500, 2000],
  ["settled down", { state: "down" }, 5000, 30_000],
  ["down with a good probe", { state: "down", streak: 1 }, 500, 2000],
  ["held down", { state: "down", streak: 2, relapses: 1 }, 5000, 30_000],
  ["unknown with a failure", { state: "unknown", streak: 1 }, 500, 2000],
];

describe("nextProbeDelayMs() is short while a state is changing, and longer for upstreams", () => {
  for (const [name, health, delayMs, gentleMs] of ROWS) {
    test(name, () => {
      const whole = { ...unknownHealth(0), ...health };
      const random = () => 0.5;
      assert.equal(nextProbeDelayMs(whole, SETTINGS, { random, gentle: false }), delayMs);
      assert.equal(nextProbeDelayMs(whole, SETTINGS, { random, gentle: true }), gentleMs);
    });
  }

  test("with ten percent of jitter to both sides", () => {
    const delayAt = (random: number) =>
      nextProbeDelayMs(unknownHealth(0), SETTINGS, { random: () => random, gentle: false });
    assert.deepEqual([0, 0.5, 1].map(delayAt), [4500, 5000, 5500]);
  });

  test("never longer than the interval asked for", () => {
    const changing = { ...unknownHealth(0), streak: 1 };
    const random = () => 0.5;
    assert.equal(nextProbeDelayMs(changing, { ...SETTINGS, intervalMs: 100 }, { random, gentle: false }), 100);
    assert.equal(
      nextProbeDelayMs(unknownHealth(0), { ...SETTINGS, intervalMs: 60_000 }, { random, gentle: true }),
      60_000,
    );
  });
});
