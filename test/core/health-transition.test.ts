import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { unknownHealth } from "../../src/core/health.ts";
import { reasonHangs, transitionOf } from "../../src/core/health-transition.ts";
import { PROBE_REASONS } from "../../src/core/probe-result.ts";

const unknown = unknownHealth(100);
const up = { ...unknown, state: "up", sinceMs: 200 } as const;
const down = {
  ...unknown,
  state: "down",
  sinceMs: 500,
  reason: "refused",
  detail: "connect ECONNREFUSED",
  relapses: 2,
} as const;

describe("transitionOf()", () => {
  test("is null while the state stays", () => {
    assert.equal(transitionOf(up, { ...up, latencyMs: 3 }), null);
    assert.equal(transitionOf(down, { ...down, reason: "dns" }), null);
  });

  test("tells why and for how long it is held down when it falls", () => {
    assert.deepEqual(transitionOf(up, down), {
      to: "down",
      atMs: 500,
      lastedMs: 300,
      reason: "refused",
      detail: "connect ECONNREFUSED",
      relapses: 2,
      holdDownMs: 30_000,
    });
  });

  test("tells how long it was down when it rises", () => {
    assert.deepEqual(transitionOf(down, { ...up, sinceMs: 900 }), { to: "up", atMs: 900, lastedMs: 400 });
  });

  test("knows no duration at the first sight, and none below zero when the clock was set back", () => {
    assert.deepEqual(transitionOf(unknown, up), { to: "up", atMs: 200, lastedMs: null });
    assert.equal(transitionOf(unknown, down)?.lastedMs, null);
    assert.equal(transitionOf(down, up)?.lastedMs, 0);
  });
});

test("reasonHangs() is true where a pull would wait, and nowhere else", () => {
  const hanging = PROBE_REASONS.filter(reasonHangs);
  assert.deepEqual(hanging, ["connect-timeout", "unreachable", "tls-timeout", "response-timeout", "body-stall"]);
});
