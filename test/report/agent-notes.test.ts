import assert from "node:assert/strict";
import { test } from "node:test";
import { findAgentNotes } from "../../src/report/agent-notes.ts";
import type { Status } from "../../src/report/status.ts";
import { BAD_DAY, NOW, ORDINARY } from "./statuses.ts";

const nowMs = Date.parse(NOW);
const mirror = BAD_DAY.endpoints[1]?.endpoint ?? "";
const FAILED_OVER: Status = {
  ...BAD_DAY,
  routes: BAD_DAY.routes.map((route) => (route.failedOver ? { ...route, leftOut: [mirror] } : route)),
};

test("findAgentNotes() tells of a mirror that pulls go past, since when and why", () => {
  const [note, ...others] = findAgentNotes(FAILED_OVER, "docker.io", nowMs);
  assert.deepEqual(others, []);
  assert.equal(note?.endpoint, mirror);
  assert.equal(note?.isLeftOut, true);
  assert.equal(note?.reason, "response-timeout");
  assert.equal(note?.fallsInLastHour, 1);
  assert.deepEqual(findAgentNotes(FAILED_OVER, "gcr.io", nowMs), []);
});

test("findAgentNotes() goes by _default for a registry without a route, and knows nothing of an earlier version's", () => {
  const routes = FAILED_OVER.routes.map((route) => (route.failedOver ? { ...route, registry: "_default" } : route));
  assert.equal(findAgentNotes({ ...FAILED_OVER, routes }, "quay.io", nowMs).length, 1);
  const { transitions: _, ...earlier } = BAD_DAY;
  assert.deepEqual(findAgentNotes(earlier, "docker.io", nowMs), []);
});

test("findAgentNotes() tells of a mirror that is used and comes and goes", () => {
  const [change] = BAD_DAY.transitions ?? [];
  assert.ok(change);
  const transitions = [1, 2, 3, 90].map((minutes) => ({
    ...change,
    at: new Date(nowMs - minutes * 60_000).toISOString(),
  }));
  const [note] = findAgentNotes({ ...ORDINARY, transitions }, "gcr.io", nowMs);
  assert.deepEqual([note?.endpoint, note?.isLeftOut, note?.fallsInLastHour], [mirror, false, 3]);
});
