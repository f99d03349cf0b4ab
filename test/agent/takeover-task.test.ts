// When containerd is taken over, how often, and what is told: one takeover at a time, none twice for the same state.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { TakeoverReport } from "../../src/agent/take-over.ts";
import type { TakeoverState } from "../../src/agent/takeover-state.ts";
import { RETRY_MS, TakeoverTask } from "../../src/agent/takeover-task.ts";
import { FIGHT_LIMIT, FIGHT_WINDOW_MS } from "../../src/core/drift.ts";
import type { Event } from "../../src/report/events.ts";
import { config } from "../core/samples.ts";

const EDIT = { path: "/c.toml", oldText: "", newText: "x", undo: null, drops: [], auths: [], isRestore: false };
const CHANGE = {
  kind: "change",
  because: "it is not set",
  edit: EDIT,
  restart: "now",
  daemon: "b:1:1",
  key: "k",
  wanted: "/certs.d",
  auths: {},
} as const;
const SETTLED = { kind: "settled", because: "" } as const;
const REFUSED = { kind: "refused", because: "k3s writes it", mend: "use its own file" } as const;
const DONE: TakeoverReport = { resumed: null, plan: CHANGE, outcome: { kind: "done", restarted: true } };

function state(stamp: string, changes: Partial<TakeoverState> = {}): TakeoverState {
  const base = { plan: CHANGE, inEffect: false, isDue: true, restartOwed: false, lastRestartAtMs: null, auths: [] };
  return { ...base, ...changes, stamp };
}

function makeTask(report: () => Promise<TakeoverReport> = async () => DONE) {
  const seen = { taken: 0, passes: 0, nowMs: 0, events: [] as Event[] };
  const task = new TakeoverTask({
    takeOver: async () => {
      seen.taken += 1;
      return report();
    },
    emit: (event) => seen.events.push(event),
    requestPass: () => {
      seen.passes += 1;
    },
    isOurFault: (error) => error instanceof TypeError,
    nowMs: () => seen.nowMs,
  });
  const consider = async (next: TakeoverState): Promise<void> => {
    task.consider(config(), next);
    await turn();
  };
  const kinds = () => seen.events.map(({ kind }) => kind);
  return { task, seen, consider, kinds };
}

test("TakeoverTask takes over once for a state, tells it, and asks for a pass", async () => {
  const { seen, consider, kinds } = makeTask();
  await consider(state("a"));
  await consider(state("a"));
  assert.deepEqual([seen.taken, seen.passes, kinds()], [1, 1, ["takeoverDone"]]);
  await consider(state("b", { isDue: false, plan: SETTLED }));
  assert.equal(seen.taken, 1, "nothing is due");
  await consider(state("c"));
  assert.equal(seen.taken, 2, "something changed");
});

test("TakeoverTask does one takeover at a time, and stops it when it is closed", async () => {
  const gate = Promise.withResolvers<TakeoverReport>();
  const { task, seen, consider } = makeTask(() => gate.promise);
  await consider(state("a"));
  await consider(state("b"));
  assert.equal(seen.taken, 1);
  const closed = task.close();
  gate.reject(new Error("aborted"));
  await closed;
  assert.deepEqual([seen.events, seen.passes], [[], 0], "its end is no failure");
  await consider(state("c"));
  assert.equal(seen.taken, 1);
});

test("TakeoverTask tells a refusal once, also when it is the echo of a failure, and again after it was settled", async () => {
  const because = "it did not come back";
  const failed: TakeoverReport = { ...DONE, outcome: { kind: "failed", because, recovered: true } };
  const { consider, kinds } = makeTask(async () => failed);
  await consider(state("a"));
  await consider(state("b", { isDue: false, plan: { ...REFUSED, because } }));
  assert.deepEqual(kinds(), ["takeoverFailed"]);
  for (const stamp of ["c", "d"]) await consider(state(stamp, { isDue: false, plan: REFUSED }));
  assert.deepEqual(kinds(), ["takeoverFailed", "takeoverRefused"]);
  await consider(state("e", { isDue: false, plan: SETTLED }));
  await consider(state("f", { isDue: false, plan: REFUSED }));
  assert.deepEqual(kinds(), ["takeoverFailed", "takeoverRefused", "takeoverRefused"]);
});

test("TakeoverTask tells an owed restart once, though the reason changes with the edit", async () => {
  const reasons = ["it is not set", "it was changed"];
  const { consider, kinds } = makeTask(async () => ({
    ...DONE,
    outcome: { kind: "owed", because: reasons.shift() ?? "" },
  }));
  await consider(state("a"));
  await consider(state("b"));
  assert.deepEqual(kinds(), ["restartOwed"]);
});

test("TakeoverTask tells what an earlier process had begun before its own", async () => {
  const resumed = { kind: "failed", because: "it did not come back", recovered: true } as const;
  const { consider, kinds } = makeTask(async () => ({ ...DONE, resumed }));
  await consider(state("a"));
  assert.deepEqual(kinds(), ["takeoverFailed", "takeoverDone"]);
});

test("TakeoverTask tries again a minute after the world failed, and at once when asked to", async () => {
  const { task, seen, consider, kinds } = makeTask(() => Promise.reject(new Error("Cannot write: no space")));
  await consider(state("a"));
  seen.nowMs = RETRY_MS - 1;
  await consider(state("a"));
  assert.deepEqual([seen.taken, kinds()], [1, ["passFailed"]]);
  seen.nowMs = RETRY_MS;
  await consider(state("a"));
  assert.equal(seen.taken, 2);
  task.forget();
  await consider(state("a"));
  assert.equal(seen.taken, 3);
});

test("TakeoverTask ends the process where the fault is ours", async () => {
  const { task, consider } = makeTask(() => Promise.reject(new TypeError("undefined")));
  await consider(state("a"));
  await assert.rejects(task.failed, TypeError);
});

test("TakeoverTask gives up a file that is changed back again and again, until the fight is over", async () => {
  const { seen, consider, kinds } = makeTask();
  for (let round = 0; round < FIGHT_LIMIT + 3; round++) await consider(state(`${round}`));
  assert.equal(seen.taken, FIGHT_LIMIT);
  assert.equal(kinds().at(-1), "fightStopped");
  seen.nowMs = FIGHT_WINDOW_MS + 1;
  await consider(state("later"));
  assert.equal(seen.taken, FIGHT_LIMIT + 1);
});

test("TakeoverTask.untilStartable() waits for an edit that containerd will find, and for no restart", async () => {
  for (const [restart, waits] of [
    ["none", true],
    ["now", false],
  ] as const) {
    const over = Promise.withResolvers<TakeoverReport>();
    const { task, consider } = makeTask(() => over.promise);
    await consider(state("a", { plan: { ...CHANGE, restart } }));
    let isStartable = false;
    const waiting = task.untilStartable().then(() => {
      isStartable = true;
    });
    await turn();
    assert.equal(isStartable, !waits, restart);
    over.resolve(DONE);
    await waiting;
  }
});
