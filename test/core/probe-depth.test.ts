import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EndpointHealth, foldProbe, unknownHealth } from "../../src/core/health.ts";
import { type DepthContext, type DepthState, decideDepth, FIRST_DEPTH } from "../../src/core/probe-depth.ts";
import type { ProbeResult } from "../../src/core/probe-result.ts";

const NOW = 1_000_000_000_000;
const MEASURED = { latencyMs: 1, certificateExpiresAtMs: null };
const CONTEXT: DepthContext = {
  settings: { rise: 2 },
  jitter: { failoverMs: 0, failbackMs: 0 },
  isServed: true,
  random: () => 0.5,
  nowMs: NOW,
};

const RISING = { state: "down", streak: 1, goodSinceMs: NOW - 500 } as const;

const ROWS: readonly (readonly [string, Partial<EndpointHealth>, number, boolean])[] = [
  ["the first probe of all", { state: "unknown" }, 0, true],
  ["while all is well, the fifth after a deep one", { state: "up" }, 4, false],
  ["while all is well, the sixth", { state: "up" }, 5, true],
  ["after a failure, any", { state: "up", streak: 1 }, 0, true],
  ["down, and one good probe short of the last", { state: "down", streak: 0 }, 99, false],
  ["down, and the next good probe is the last", RISING, 0, true],
  ["held down", { state: "down", streak: 3, relapses: 1, goodSinceMs: NOW - 14_999 }, 99, false],
  ["held down until just now", { state: "down", streak: 3, relapses: 1, goodSinceMs: NOW - 15_000 }, 0, true],
];

describe("decideDepth()", () => {
  for (const [name, health, shallowInRow, isDeep] of ROWS) {
    test(`${name}: ${isDeep ? "deep" : "shallow"}`, () => {
      const whole = { ...unknownHealth(0), ...health };
      assert.equal(decideDepth({ shallowInRow, failbackAtMs: null }, whole, CONTEXT).isDeep, isDeep);
    });
  }

  test("begins to count at another place after a change, and keeps to six otherwise", () => {
    const counts = [0, 0.5, 0.99].map((chance) => {
      const { next } = decideDepth(FIRST_DEPTH, unknownHealth(0), { ...CONTEXT, random: () => chance });
      return next.shallowInRow;
    });
    assert.deepEqual(counts, [0, 3, 5]);
    const up = { ...unknownHealth(0), state: "up" } as const;
    assert.equal(decideDepth({ shallowInRow: 5, failbackAtMs: null }, up, CONTEXT).next.shallowInRow, 0);
  });
});

describe("decideDepth() lets nodes return one after the other", () => {
  const rising = { ...unknownHealth(0), ...RISING };
  const waiting = { ...CONTEXT, jitter: { failoverMs: 0, failbackMs: 30_000 } };

  test("each at a moment that is drawn once", () => {
    const first = decideDepth(FIRST_DEPTH, rising, waiting);
    assert.deepEqual(first, { isDeep: false, next: { shallowInRow: 0, failbackAtMs: NOW + 15_000 } });
    const before = decideDepth(first.next, rising, { ...waiting, nowMs: NOW + 14_999, random: () => 1 });
    assert.equal(before.isDeep, false);
    assert.equal(decideDepth(before.next, rising, { ...waiting, nowMs: NOW + 15_000 }).isDeep, true);
  });

  test("at once where nothing else serves", () => {
    assert.equal(decideDepth(FIRST_DEPTH, rising, { ...waiting, isServed: false }).isDeep, true);
  });

  test("and draws anew when the mirror fails meanwhile, or in that very probe", () => {
    const drawn: DepthState = { shallowInRow: 0, failbackAtMs: NOW };
    assert.equal(decideDepth(drawn, { ...rising, streak: 0 }, waiting).next.failbackAtMs, null);
    assert.equal(decideDepth(drawn, rising, waiting).next.failbackAtMs, null);
  });
});

interface Run {
  readonly health: EndpointHealth;
  readonly changes: number;
  readonly deep: number;
}

/** Probes an endpoint every five seconds; it always answers, but its images can be fetched or not. */
function probeOften(from: EndpointHealth, probes: number, { isHollow = true, context = CONTEXT } = {}): Run {
  let state = FIRST_DEPTH;
  let run: Run = { health: from, changes: 0, deep: 0 };
  for (let index = 0; index < probes; index += 1) {
    const nowMs = NOW + index * 5000;
    const { isDeep, next } = decideDepth(state, run.health, { ...context, nowMs });
    state = next;
    const isGood = !(isDeep && isHollow);
    const result: ProbeResult = isGood
      ? { ...MEASURED, ok: true, isDeep }
      : { ...MEASURED, ok: false, reason: "body-stall", detail: "stalls" };
    const health = foldProbe(run.health, result, { settings: { fall: 2, rise: 2 }, nowMs });
    const changed = health.state === run.health.state ? 0 : 1;
    run = { health, changes: run.changes + changed, deep: run.deep + (isDeep ? 1 : 0) };
  }
  return run;
}

describe("decideDepth() and foldProbe()", () => {
  const up = { ...unknownHealth(NOW), state: "up" } as const;
  const down = { ...unknownHealth(NOW), state: "down", reason: "refused", detail: "-" } as const;

  test("take down what only deep probes find broken, and keep it down", () => {
    assert.equal(probeOften(up, 7).health.state, "down");
    const long = probeOften(up, 1000);
    assert.deepEqual([long.changes, long.health.reason], [1, "body-stall"]);
  });

  test("do not ask an ill mirror for images all the time", () => {
    const context = { ...CONTEXT, jitter: { failoverMs: 0, failbackMs: 30_000 } };
    assert.ok(probeOften(up, 1000, { context }).deep <= 1000 / 4);
  });

  test("bring up what is well again", () => {
    const context = { ...CONTEXT, jitter: { failoverMs: 0, failbackMs: 30_000 } };
    const after = (probes: number): string => probeOften(down, probes, { isHollow: false, context }).health.state;
    assert.deepEqual([after(4), after(5)], ["down", "up"]);
  });
});

test("foldProbe() brings nothing up by a shallow probe, however many there are", () => {
  for (const rise of [1, 2, 5]) {
    let health: EndpointHealth = { ...unknownHealth(NOW), state: "down", reason: "refused", detail: "-" };
    const context = { settings: { fall: 2, rise }, nowMs: NOW };
    for (let index = 0; index < 50; index += 1) {
      health = foldProbe(health, { ...MEASURED, ok: true, isDeep: false }, context);
      assert.equal(health.state, "down");
    }
    assert.equal(foldProbe(health, { ...MEASURED, ok: true, isDeep: true }, context).state, "up");
  }
});
