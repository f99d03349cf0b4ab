import assert from "node:assert/strict";
import { test } from "node:test";
import { Gate } from "../../src/registry/gate.ts";
import { RegistryError } from "../../src/registry/registry-error.ts";
import { retry } from "../../src/registry/retry.ts";

const signal = new AbortController().signal;

function failure(status: number | null, retryAfterMs: number | null = null, temporary = true): RegistryError {
  return new RegistryError(`answer ${status}`, { status, codes: [], temporary, retryAfterMs });
}

/** Fails with these errors, one after the other, then succeeds. */
function makeScene(errors: RegistryError[], retries = 5) {
  const waits: number[] = [];
  const clock = { nowMs: 0 };
  const gate = new Gate({
    limit: 8,
    nowMs: () => clock.nowMs,
    wait: async (ms) => {
      clock.nowMs += ms;
    },
  });
  const wait = async (ms: number): Promise<void> => void waits.push(ms);
  const options = { gate, retries, backoffMs: 100, wait, onRetry: () => undefined };
  const task = async (): Promise<string> => {
    const error = errors.shift();
    if (error !== undefined) throw error;
    return "done";
  };
  return { gate, waits, clock, run: () => retry(task, { priority: 1, options }, signal) };
}

for (const status of [429, 503]) {
  test(`retry() lets a ${status} slow everybody down, for as long as Retry-After says`, async () => {
    const { gate, clock, run } = makeScene([failure(status, 7000)]);
    assert.equal(await run(), "done");
    assert.equal(gate.limit, 4);
    assert.equal(clock.nowMs, 7000);
  });
}

test("retry() slows nobody down for a broken connection", async () => {
  const { gate, waits, run } = makeScene([failure(null), failure(500)]);
  assert.equal(await run(), "done");
  assert.equal(gate.limit, 8);
  assert.equal(waits.length, 2);
});

test("retry() waits longer each time, never less than half of what it could be", async () => {
  const { waits, run } = makeScene([failure(500), failure(500), failure(500)]);
  await run();
  for (const [failed, ms] of waits.entries()) assert.ok(ms >= 50 * 2 ** failed && ms <= 100 * 2 ** failed, `${waits}`);
});

test("retry() gives up when its tries are used up, and at once for what is not temporary", async () => {
  const stubborn = makeScene([failure(500), failure(500), failure(502)], 2);
  await assert.rejects(stubborn.run(), { message: "answer 502" });
  assert.equal(stubborn.waits.length, 2);
  const final = makeScene([failure(403, null, false)]);
  await assert.rejects(final.run(), { message: "answer 403" });
  assert.deepEqual(final.waits, []);
});
