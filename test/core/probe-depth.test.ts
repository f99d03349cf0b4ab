import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EndpointHealth, foldProbe, unknownHealth } from "../../src/core/health.ts";
import { isDeepDue } from "../../src/core/probe-depth.ts";
import type { ProbeResult } from "../../src/core/probe-result.ts";

const NOW = 1_000_000_000_000;
const SETTINGS = { fall: 2, rise: 2 };

const ROWS: readonly (readonly [string, Partial<EndpointHealth>, number, boolean])[] = [
  ["the first probe of all", { state: "unknown" }, 0, true],
  ["while all is well, the fifth after a deep one", { state: "up" }, 4, false],
  ["while all is well, the sixth", { state: "up" }, 5, true],
  ["after a failure, any", { state: "up", streak: 1 }, 0, true],
  ["down, and one good probe short of the last", { state: "down", streak: 0 }, 99, false],
  ["down, and the next good probe is the last", { state: "down", streak: 1, goodSinceMs: NOW - 500 }, 0, true],
  ["held down", { state: "down", streak: 3, relapses: 1, goodSinceMs: NOW - 5000 }, 99, false],
  ["held down until just now", { state: "down", streak: 3, relapses: 1, goodSinceMs: NOW - 15_000 }, 0, true],
  ["held down for a moment longer", { state: "down", streak: 3, relapses: 1, goodSinceMs: NOW - 14_500 }, 0, true],
];

describe("isDeepDue()", () => {
  for (const [name, health, shallowInRow, isDue] of ROWS) {
    test(`${name}: ${isDue ? "deep" : "shallow"}`, () => {
      const whole = { ...unknownHealth(0), ...health };
      assert.equal(isDeepDue(whole, { settings: SETTINGS, shallowInRow, nowMs: NOW }), isDue);
    });
  }
});

/** Probes an endpoint that answers, but whose images cannot be fetched: deep probes alone find it. */
function probeHollow(health: EndpointHealth, probes: number): { health: EndpointHealth; changes: number } {
  let shallowInRow = 0;
  let changes = 0;
  let after = health;
  for (let index = 0; index < probes; index += 1) {
    const nowMs = NOW + index * 5000;
    const isDeep = isDeepDue(after, { settings: SETTINGS, shallowInRow, nowMs });
    shallowInRow = isDeep ? 0 : shallowInRow + 1;
    const measured = { latencyMs: 1, certificateExpiresAtMs: null };
    const result: ProbeResult = isDeep
      ? { ...measured, ok: false, reason: "body-stall", detail: "stalls" }
      : { ...measured, ok: true };
    const before = after;
    after = foldProbe(before, result, { settings: SETTINGS, nowMs });
    if (before.state !== after.state) changes += 1;
  }
  return { health: after, changes };
}

test("isDeepDue() and foldProbe() take down what only deep probes find broken, and keep it down", () => {
  const up = { ...unknownHealth(NOW), state: "up" } as const;
  assert.equal(probeHollow(up, 7).health.state, "down");
  assert.deepEqual(probeHollow(up, 1000).changes, 1);
  assert.equal(probeHollow(up, 1000).health.reason, "body-stall");
});

test("isDeepDue() lets nothing come up by a shallow probe, whatever its past", () => {
  for (const rise of [1, 2, 5]) {
    for (const relapses of [0, 1, 4]) {
      let health: EndpointHealth = { ...unknownHealth(NOW), state: "down", reason: "refused", detail: "-", relapses };
      for (let nowMs = NOW; health.state === "down"; nowMs += 700) {
        const isDeep = isDeepDue(health, { settings: { rise }, shallowInRow: 0, nowMs });
        const good: ProbeResult = { ok: true, latencyMs: 1, certificateExpiresAtMs: null };
        health = foldProbe(health, good, { settings: { fall: 2, rise }, nowMs: nowMs + 50 });
        if (health.state !== "down") assert.ok(isDeep, `rise ${rise}, relapses ${relapses}`);
      }
    }
  }
});
