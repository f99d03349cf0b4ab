import assert from "node:assert/strict";
import { test } from "node:test";
import { Gate } from "../../src/registry/gate.ts";

const signal = new AbortController().signal;

function makeGate(limit: number) {
  const clock = { nowMs: 0 };
  const waits: number[] = [];
  const wait = async (ms: number): Promise<void> => {
    waits.push(ms);
    clock.nowMs += ms;
  };
  return { gate: new Gate({ limit, nowMs: () => clock.nowMs, wait }), waits };
}

/** Tasks that end when they are told to. */
function makeTasks(gate: Gate) {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, priority: number) =>
    gate.run(
      () => {
        started.push(name);
        const { promise, resolve } = Promise.withResolvers<void>();
        ends.set(name, resolve);
        return promise;
      },
      priority,
      signal,
    );
  return { start, started, end: (name: string) => ends.get(name)?.() };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("Gate lets so many in at once, then the highest priority first", async () => {
  const { gate } = makeGate(2);
  const { start, started, end } = makeTasks(gate);
  const all = [start("a", 1), start("b", 1), start("small", 1), start("manifest", 9), start("large", 5)];
  await settle();
  assert.deepEqual(started, ["a", "b"]);
  for (const name of ["a", "b", "manifest", "large", "small"]) {
    end(name);
    await settle();
  }
  assert.deepEqual(started, ["a", "b", "manifest", "large", "small"]);
  await Promise.all(all);
});

test("Gate halves its limit once for refusals that came together, and holds everybody back", async () => {
  const { gate, waits } = makeGate(8);
  for (let refusal = 0; refusal < 5; refusal++) gate.throttle(3000);
  assert.equal(gate.limit, 4);
  await gate.run(async () => undefined, 1, signal);
  assert.deepEqual(waits, [3000]);
  gate.throttle(0);
  assert.equal(gate.limit, 2);
});

test("Gate never goes below one, and comes back step by step", () => {
  const { gate } = makeGate(4);
  for (let refusal = 0; refusal < 5; refusal++) gate.throttle(0);
  assert.equal(gate.limit, 1);
  for (let success = 0; success < 4; success++) gate.relax();
  assert.equal(gate.limit, 2);
  for (let success = 0; success < 100; success++) gate.relax();
  assert.equal(gate.limit, 4);
});

test("Gate lets a waiter go when its signal aborts, and the others in", async () => {
  const { gate } = makeGate(1);
  const { start, started, end } = makeTasks(gate);
  const first = start("first", 1);
  const stop = new AbortController();
  const waiting = gate.run(async () => assert.fail("it ran"), 5, stop.signal);
  const last = start("last", 1);
  stop.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  end("first");
  await first;
  await settle();
  end("last");
  await last;
  assert.deepEqual(started, ["first", "last"]);
});
