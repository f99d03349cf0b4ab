// The simulation behind docs/fleet.md, with few nodes: what is true of it whatever the figures are.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FleetOptions, simulateFleet } from "../../scripts/simulate/fleet.ts";
import { parseConfig } from "../../src/core/config/parse-config.ts";

const NODES = 200;
const FAULT_S = 120;
const RECOVERY_S = 260;
const END_S = 360;

const { config } = parseConfig("agent: { probe: { interval: 5s } }");
assert.ok(config);
const settings = config.agent;

const simulate = (change: Partial<FleetOptions>) =>
  simulateFleet({
    nodes: NODES,
    settings,
    fault: "hangs",
    faultAtMs: FAULT_S * 1000,
    recoveryAtMs: RECOVERY_S * 1000,
    endMs: END_S * 1000,
    pullEveryMs: 60_000,
    seed: 1,
    ...change,
  });

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

describe("simulateFleet()", () => {
  for (const fault of ["hangs", "hollow"] as const) {
    test(`moves every node to the upstream once, and back once, when the mirror ${fault}`, () => {
      const { failoversMs, failbacksMs, upstream } = simulate({ fault });
      assert.deepEqual([failoversMs.length, failbacksMs.length], [NODES, NODES]);
      assert.equal(sum(upstream.slice(0, FAULT_S)), 0, "nobody asks the upstream before");
      const backS = RECOVERY_S + Math.ceil((failbacksMs.at(-1) ?? 0) / 1000) + 1;
      assert.equal(sum(upstream.slice(backS)), 0, "nor after all are back");
    });
  }

  test("asks the mirror in the steady state for what probes and pulls take", () => {
    const perSecond = sum(simulate({}).mirror.slice(60, FAULT_S)) / (FAULT_S - 60);
    const probes = (1 + 4 / 6) / 5; // every sixth is deep: four requests more
    const expected = NODES * (probes + 6 / 60);
    assert.ok(Math.abs(perSecond / expected - 1) < 0.05, `${perSecond} instead of ${expected}`);
  });

  test("sends the upstream every pull while the mirror fails, those that hung too, and a probe of each node in 30 s", () => {
    const { upstream } = simulate({});
    const total = sum(upstream.slice(FAULT_S, RECOVERY_S));
    const expected = NODES * (6 / 60 + 1 / 30) * (RECOVERY_S - FAULT_S);
    assert.ok(Math.abs(total / expected - 1) < 0.1, `${total} instead of ${expected}`);
  });

  test("comes to the same end for the same chance", () => {
    assert.deepEqual(simulate({}), simulate({}));
    assert.notDeepEqual(simulate({}).mirror, simulate({ seed: 2 }).mirror);
  });
});
