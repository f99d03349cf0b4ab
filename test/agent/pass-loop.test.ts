import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { PassLoop } from "../../src/agent/pass-loop.ts";

/** A loop whose passes are counted, with timers that the test moves. */
function rig(context: TestContext) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let passes = 0;
  const pass = async (): Promise<void> => {
    passes += 1;
  };
  const loop = new PassLoop(pass, { intervalMs: 60_000, retryMs: 1000, onFailure: () => "throw" });
  const passesAfter = async (ms: number): Promise<number> => {
    context.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return passes;
  };
  return { loop, passesAfter };
}

test("PassLoop.requestWithin() passes when the time is up, and not before", async (context) => {
  const { loop, passesAfter } = rig(context);
  await loop.request();
  loop.requestWithin(2000);
  assert.deepEqual([await passesAfter(1999), await passesAfter(1), await passesAfter(10_000)], [1, 2, 2]);
  await loop.close();
});

test("PassLoop.requestWithin() passes at once where there is nothing to wait for", async (context) => {
  const { loop, passesAfter } = rig(context);
  loop.requestWithin(0);
  assert.equal(await passesAfter(0), 1);
  await loop.close();
});

test("PassLoop.requestWithin() makes one pass of several, by the most urgent", async (context) => {
  const { loop, passesAfter } = rig(context);
  await loop.request();
  loop.requestWithin(30_000);
  loop.requestWithin(2000);
  loop.requestWithin(10_000);
  assert.deepEqual([await passesAfter(2000), await passesAfter(40_000)], [2, 2]);
  await loop.close();
});

test("PassLoop.requestWithin() is served by a pass that comes for another reason", async (context) => {
  const { loop, passesAfter } = rig(context);
  loop.requestWithin(2000);
  await loop.request();
  assert.deepEqual([await passesAfter(10_000), await passesAfter(50_000)], [1, 2]);
  await loop.close();
});

test("PassLoop makes no pass once it is closed", async (context) => {
  const { loop, passesAfter } = rig(context);
  loop.requestWithin(2000);
  await loop.close();
  loop.requestWithin(0);
  assert.equal(await passesAfter(100_000), 0);
});

test("PassLoop.requestForChange() does not let a failed pass that changes the node bring about the next at once", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const waits: number[] = [];
  const loop: PassLoop = new PassLoop(
    async () => {
      await null;
      loop.requestForChange(); // during it
      setImmediate(() => loop.requestForChange()); // and seen after it
      if (waits.length < 6) throw new Error("the disk is full");
    },
    {
      intervalMs: 60_000,
      retryMs: 1000,
      onFailure: (_, retryInMs) => {
        waits.push(retryInMs);
        return "retry";
      },
    },
  );
  const settle = async (ms: number): Promise<number> => {
    context.mock.timers.tick(ms);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    return waits.length;
  };
  await loop.request();
  assert.deepEqual([await settle(0), await settle(999), await settle(1)], [1, 1, 2]);
  assert.deepEqual([await settle(1999), await settle(1)], [2, 3], "it doubles");
  assert.deepEqual([await settle(3999), await settle(1)], [3, 4]);
  assert.deepEqual([await settle(4999), await settle(1)], [4, 5], "and is five seconds at most");
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000]);
  await loop.close();
});
