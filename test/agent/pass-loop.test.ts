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
