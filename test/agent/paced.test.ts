import assert from "node:assert/strict";
import { test } from "node:test";
import { Paced } from "../../src/agent/paced.ts";

function start(t: { mock: { timers: { enable: (options: { apis: ["setTimeout"] }) => void } } }) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const seen: number[] = [];
  return { seen, paced: new Paced<number>(100, (value) => seen.push(value)) };
}

test("Paced runs at once, and once more with the latest of what came meanwhile", (t) => {
  const { seen, paced } = start(t);
  for (const value of [1, 2, 3]) paced.call(value);
  assert.deepEqual(seen, [1]);
  t.mock.timers.tick(100);
  assert.deepEqual(seen, [1, 3]);
  paced.call(4);
  assert.deepEqual(seen, [1, 3]);
  t.mock.timers.tick(100);
  t.mock.timers.tick(100);
  assert.deepEqual(seen, [1, 3, 4]);
  paced.call(5);
  assert.deepEqual(seen, [1, 3, 4, 5]);
});

test("Paced.close() runs what is waiting, and nothing later", (t) => {
  const { seen, paced } = start(t);
  for (const value of [1, 2]) paced.call(value);
  paced.close();
  t.mock.timers.tick(1000);
  assert.deepEqual(seen, [1, 2]);
});
