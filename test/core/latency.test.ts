import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EndpointHealth, foldProbe, unknownHealth } from "../../src/core/health.ts";
import { addLatency, findSlowness } from "../../src/core/latency.ts";

const MAX_LATENCY_MS = 100;

const ROWS: readonly (readonly [string, EndpointHealth["state"], readonly number[], boolean])[] = [
  ["two slow answers prove nothing", "up", [900, 900], false],
  ["one slow answer among three is no median", "up", [10, 900, 10], false],
  ["two slow answers among three are", "up", [10, 900, 900], true],
  ["two slow answers among five are not", "up", [10, 10, 900, 10, 900], false],
  ["exactly the limit is allowed", "up", [100, 100, 100], false],
  ["one millisecond more is not", "up", [101, 101, 101], true],
  ["while down just below the limit is not enough", "down", [90, 90, 90], true],
  ["while down four fifths of it is", "down", [80, 80, 80], false],
];

describe("findSlowness() judges the median", () => {
  for (const [name, state, latenciesMs, isSlow] of ROWS) {
    test(name, () =>
      assert.equal(findSlowness({ state, latenciesMs }, MAX_LATENCY_MS)?.reason, isSlow ? "slow" : undefined),
    );
  }

  test("not at all without a limit", () =>
    assert.equal(findSlowness({ state: "up", latenciesMs: [9, 9, 9] }, null), null));

  test("and says so in figures", () => {
    const slow = findSlowness({ state: "up", latenciesMs: [150.4, 150.4, 150.4] }, MAX_LATENCY_MS);
    assert.equal(slow?.detail, "the last 3 answers took 150 ms in the median, 100 ms are allowed");
  });
});

test("addLatency() keeps the last five", () => {
  const kept = [1, 2, 3, 4, 5, 6, 7].reduce<readonly number[]>((before, ms) => addLatency(before, ms), []);
  assert.deepEqual(kept, [3, 4, 5, 6, 7]);
});

/** The first letters of the states after answers of these latencies. */
function statesAfter(latenciesMs: readonly number[], maxLatencyMs: number | null): string {
  let health = unknownHealth(0);
  const context = { settings: { fall: 2, rise: 2 }, nowMs: 0, maxLatencyMs };
  return latenciesMs
    .map((latencyMs) => {
      health = foldProbe(health, { ok: true, isDeep: true, latencyMs, certificateExpiresAtMs: null }, context);
      return health.state.slice(0, 1);
    })
    .join("");
}

describe("foldProbe() takes down what is slow", () => {
  test("after fall slow medians, and up again after rise quick ones", () => {
    assert.equal(statesAfter([10, 10, 900, 900, 900, 900, 900, 10, 10, 10, 10], MAX_LATENCY_MS), "uuuuudddddu");
    assert.equal(statesAfter([10, 900, 900, 900, 10, 10, 10, 10], MAX_LATENCY_MS), "uuuddddu");
  });

  test("not for a single slow answer", () =>
    assert.equal(statesAfter([10, 10, 900, 10, 900, 10], MAX_LATENCY_MS), "uuuuuu"));

  test("only where there is a limit", () => assert.equal(statesAfter([900, 900, 900, 900, 900], null), "uuuuu"));

  test("and does not let latency near the limit move it up and down", () => {
    const near = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? 101 : 95));
    assert.doesNotMatch(statesAfter([101, 101, 101, 101, ...near], MAX_LATENCY_MS), /d+u/);
  });
});
