import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import { Burst } from "../../src/node/burst.ts";

function startBurst(t: TestContext): { burst: Burst; ended: string[][]; pass: (ms: number) => void } {
  let nowMs = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => nowMs);
  t.after(() => mock.reset());
  const ended: string[][] = [];
  const burst = new Burst({ quietMs: 20, longestMs: 250 }, (paths) => void ended.push([...paths]));
  const pass = (ms: number): void => {
    nowMs += ms;
    t.mock.timers.tick(ms);
  };
  return { burst, ended, pass };
}

test("Burst hands over each path once, when it has been quiet", (t) => {
  const { burst, ended, pass } = startBurst(t);
  for (const path of ["a", "b", "a"]) {
    burst.add(path);
    pass(19);
  }
  assert.deepEqual(ended, []);
  pass(1);
  assert.deepEqual(ended, [["a", "b"]]);
});

test("Burst ends 250 ms after its first event if there is no quiet", (t) => {
  const { burst, ended, pass } = startBurst(t);
  for (let ms = 0; ms < 600; ms += 10) {
    burst.add(`${ms}`);
    pass(10);
  }
  assert.deepEqual(
    ended.map((paths) => paths.length),
    [25, 25],
  );
});

test("Burst.poke() ends without paths, and close() for good", (t) => {
  const { burst, ended, pass } = startBurst(t);
  burst.poke();
  pass(20);
  assert.deepEqual(ended, [[]]);
  burst.add("a");
  burst.close();
  pass(500);
  assert.deepEqual(ended, [[]]);
});
