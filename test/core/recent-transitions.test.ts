import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Transition } from "../../src/core/health-transition.ts";
import { foldTransition, MOST_TRANSITIONS, type RecentTransition } from "../../src/core/recent-transitions.ts";

const mirror = { role: "mirror", url: "https://172.18.0.20:5000" } as const;
const fall = { to: "down", reason: "refused", detail: "connect ECONNREFUSED", relapses: 0, holdDownMs: 0 } as const;

const NEWS: Readonly<Record<string, readonly [Transition, Omit<RecentTransition, "role" | "endpoint"> | null]>> = {
  "a fall, with how long it had been up": [
    { ...fall, atMs: 500, lastedMs: 300 },
    { atMs: 500, from: "up", to: "down", reason: "refused", lastedMs: 300 },
  ],
  "a fall at the first look": [
    { ...fall, atMs: 500, lastedMs: null },
    { atMs: 500, from: "unknown", to: "down", reason: "refused", lastedMs: null },
  ],
  "a recovery, with how long it had been down": [
    { to: "up", atMs: 900, lastedMs: 400 },
    { atMs: 900, from: "down", to: "up", reason: null, lastedMs: 400 },
  ],
  "nothing of an endpoint that is well at the first look": [{ to: "up", atMs: 200, lastedMs: null }, null],
};

describe("foldTransition()", () => {
  for (const [name, [transition, added]] of Object.entries(NEWS)) {
    test(`keeps ${name}`, () => {
      const expected = added === null ? [] : [{ role: "mirror", endpoint: mirror.url, ...added }];
      assert.deepEqual(foldTransition([], mirror, transition), expected);
    });
  }

  test("changes nothing when nothing changed", () => {
    const recent = foldTransition([], mirror, { ...fall, atMs: 500, lastedMs: 300 });
    assert.equal(foldTransition(recent, mirror, null), recent);
  });

  test(`keeps the newest ${MOST_TRANSITIONS}, the newest first`, () => {
    let recent: readonly RecentTransition[] = [];
    for (let atMs = 1; atMs <= 50; atMs++) recent = foldTransition(recent, mirror, { to: "up", atMs, lastedMs: 1 });
    const times = recent.map(({ atMs }) => atMs);
    assert.equal(times.length, MOST_TRANSITIONS);
    assert.deepEqual([times[0], times.at(-1)], [50, 31]);
  });
});
