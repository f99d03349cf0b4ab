import assert from "node:assert/strict";
import { test } from "node:test";
import { type Failovers, foldFailovers } from "../../src/core/failover-time.ts";
import type { RouteDecision } from "../../src/core/routes.ts";
import { endpoint } from "./samples.ts";

const MIRROR = endpoint("https://mirror:5000");
const UPSTREAM = endpoint("https://gcr.io", { role: "upstream" });

function decision(registry: string, failedOver: boolean, mirrors = [MIRROR]): RouteDecision {
  const inUse = failedOver ? [] : mirrors;
  const out = failedOver ? mirrors : [];
  return { route: { registry, mirrors, upstream: UPSTREAM }, mirrors: inUse, out, failedOver, doubted: false };
}

/** Folds one step after the other; what begins, and the seconds that each step adds. */
function fold(steps: readonly (readonly [atMs: number, ...RouteDecision[]])[]) {
  let failovers: Failovers = new Map();
  return steps.map(([atMs, ...decisions]) => {
    const step = foldFailovers(failovers, decisions, atMs);
    failovers = step.failovers;
    return { begun: step.begun, seconds: Object.fromEntries(step.secondsMore) };
  });
}

test("foldFailovers() counts a failover once, and its time from its begin to its end", () => {
  const [well, out, longer, back, after] = fold([
    [0, decision("gcr.io", false)],
    [1000, decision("gcr.io", true)],
    [3500, decision("gcr.io", true)],
    [4000, decision("gcr.io", false)],
    [9000, decision("gcr.io", false)],
  ]);
  assert.deepEqual(well, { begun: [], seconds: {} });
  assert.deepEqual(out, { begun: ["gcr.io"], seconds: {} });
  assert.deepEqual(longer, { begun: [], seconds: { "gcr.io": 2.5 } });
  assert.deepEqual(back, { begun: [], seconds: { "gcr.io": 0.5 } });
  assert.deepEqual(after, { begun: [], seconds: {} });
});

test("foldFailovers() counts the time of a registry that it finds failed over, but no failover", () => {
  const [found, later] = fold([
    [1000, decision("gcr.io", true)],
    [2000, decision("gcr.io", true)],
  ]);
  assert.deepEqual(found, { begun: [], seconds: {} });
  assert.deepEqual(later, { begun: [], seconds: { "gcr.io": 1 } });
});

test("foldFailovers() goes by each registry, and forgets those that leave", () => {
  const [, both, one, again] = fold([
    [0, decision("gcr.io", false), decision("docker.io", false)],
    [1000, decision("gcr.io", true), decision("docker.io", true)],
    [2000, decision("docker.io", true)],
    [3000, decision("gcr.io", true), decision("docker.io", true)],
  ]);
  assert.deepEqual(both?.begun, ["gcr.io", "docker.io"]);
  assert.deepEqual(one, { begun: [], seconds: { "docker.io": 1 } });
  assert.deepEqual(again, { begun: [], seconds: { "docker.io": 1 } });
});

test("foldFailovers() knows nothing of registries without mirrors", () => {
  assert.deepEqual([...foldFailovers(new Map(), [decision("own.corp", false, [])], 0).failovers], []);
});
