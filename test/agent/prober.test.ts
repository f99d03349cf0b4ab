import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Prober, type ProberTarget } from "../../src/agent/prober.ts";
import type { ProbeResult } from "../../src/core/probe-result.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";

const GOOD: ProbeResult = { ok: true, isDeep: false, latencyMs: 1, certificateExpiresAtMs: null };

function targetOf(key: string, changes: Partial<ProberTarget> = {}): ProberTarget {
  const url = `https://${key}`;
  const rest = { tls: PLAIN_TLS, authorization: null, timeoutMs: 2000, proxy: NO_PROXY_ENVIRONMENT };
  return { key, url, intervalMs: 5000, ...rest, ...changes };
}

interface Flight {
  readonly url: string;
  readonly signal: AbortSignal;
  readonly answer: (result: ProbeResult) => void;
}

/** A prober whose probes end when the test says so, at a time that the test moves. */
function rig(context: TestContext, { delayMs = 5000, onResult = (_key: string): void => {} } = {}) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const flights: Flight[] = [];
  const started: string[] = [];
  const results: string[] = [];
  let clock = 0;
  const prober = new Prober({
    probe: ({ url }, signal) => {
      started.push(`${url.slice("https://".length)} ${clock}`);
      const { promise, resolve, reject } = Promise.withResolvers<ProbeResult>();
      signal.addEventListener("abort", () => reject(signal.reason));
      flights.push({ url, signal, answer: resolve });
      return promise;
    },
    onResult: (key) => {
      results.push(key);
      onResult(key);
    },
    nextDelayMs: () => delayMs,
    random: () => 1,
    now: () => clock,
  });
  const advance = async (ms: number): Promise<void> => {
    clock += ms;
    context.mock.timers.tick(ms);
    await settle();
  };
  const answer = async (result = GOOD): Promise<void> => {
    flights.shift()?.answer(result);
    await settle();
  };
  return { prober, flights, started, results, advance, answer };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("Prober probes again one delay after the start of the last probe", async (context) => {
  const { prober, started, results, advance, answer } = rig(context);
  prober.setTargets([targetOf("a")]);
  await advance(20);
  await advance(700);
  await answer();
  await advance(4299);
  assert.deepEqual(started, ["a 20"]);
  await advance(1);
  assert.deepEqual(started, ["a 20", "a 5020"]);
  assert.deepEqual(results, ["a"]);
});

test("Prober has one probe of a target in flight, however long it takes", async (context) => {
  const { prober, started, advance, answer } = rig(context, { delayMs: 500 });
  prober.setTargets([targetOf("a")]);
  await advance(20);
  await advance(60_000);
  assert.deepEqual(started, ["a 20"]);
  await answer();
  await advance(0);
  assert.deepEqual(started, ["a 20", "a 60020"]);
});

test("Prober spreads the first probes, up to a second", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let started = 0;
  const draws = Array.from({ length: 100 }, (_, index) => index / 100);
  const prober = new Prober({
    probe: () => {
      started += 1;
      return new Promise(() => {});
    },
    onResult: () => {},
    nextDelayMs: () => 5000,
    random: () => draws.pop() ?? 0,
  });
  prober.setTargets(Array.from({ length: 100 }, (_, index) => targetOf(`${index}`)));
  context.mock.timers.tick(500);
  assert.equal(started, 51);
  context.mock.timers.tick(500);
  assert.equal(started, 100);
});

test("Prober.setTargets() does not disturb what stays, and drops what goes", async (context) => {
  const { prober, flights, started, results, advance, answer } = rig(context);
  prober.setTargets([targetOf("a"), targetOf("b")]);
  await advance(40);
  const [a, b] = flights;
  prober.setTargets([targetOf("a"), targetOf("c")]);
  await advance(20);
  assert.equal(a?.signal.aborted, false);
  assert.equal(b?.signal.aborted, true);
  assert.deepEqual(started, ["a 40", "b 40", "c 60"]);
  await answer();
  assert.deepEqual(results, ["a"]);
});

test("Prober.setTargets() probes a target that changed anew, and drops the old probe", async (context) => {
  const { prober, flights, started, results, advance, answer } = rig(context);
  prober.setTargets([targetOf("a")]);
  await advance(20);
  prober.setTargets([targetOf("a", { authorization: "Bearer new" })]);
  assert.equal(flights[0]?.signal.aborted, true);
  await advance(20);
  assert.deepEqual(started, ["a 20", "a 40"]);
  await answer();
  assert.deepEqual(results, []);
  await answer();
  assert.deepEqual(results, ["a"]);
});

test("Prober.probeSoon() probes at once, and after a probe in flight once more", async (context) => {
  const { prober, started, advance, answer } = rig(context);
  prober.setTargets([targetOf("a")]);
  prober.probeSoon("a");
  assert.deepEqual(started, ["a 0"]);
  prober.probeSoon("a");
  prober.probeSoon("a");
  prober.probeSoon("unknown");
  await answer();
  await advance(0);
  assert.deepEqual(started, ["a 0", "a 0"]);
  await answer();
  await advance(4999);
  assert.equal(started.length, 2);
});

test("Prober lets the listener drop the target it hears of, or pause", async (context) => {
  const listeners = { drop: (prober: Prober) => prober.setTargets([]), pause: (prober: Prober) => prober.pause() };
  for (const listener of Object.values(listeners)) {
    const box: { prober?: Prober } = {};
    const { prober, started, advance, answer } = rig(context, { onResult: () => box.prober && listener(box.prober) });
    box.prober = prober;
    prober.setTargets([targetOf("a")]);
    await advance(20);
    await answer();
    await advance(60_000);
    assert.equal(started.length, 1);
    context.mock.timers.reset();
  }
});

test("Prober.pause() stops and resume() goes on, with what was set in between", async (context) => {
  const { prober, flights, started, results, advance, answer } = rig(context);
  prober.setTargets([targetOf("a")]);
  await advance(20);
  prober.pause();
  assert.equal(flights[0]?.signal.aborted, true);
  prober.setTargets([targetOf("a"), targetOf("b")]);
  prober.probeSoon("a");
  await advance(60_000);
  assert.deepEqual(started, ["a 20"]);
  prober.resume();
  await advance(40);
  assert.deepEqual(started, ["a 20", "a 60060", "b 60060"]);
  await answer();
  assert.deepEqual(results, []);
});

test("Prober.close() ends what is in flight, and no result comes any more", async (context) => {
  const { prober, flights, started, results, advance, answer } = rig(context);
  prober.setTargets([targetOf("a"), targetOf("b")]);
  await advance(40);
  await prober.close();
  assert.ok(flights.every(({ signal }) => signal.aborted));
  await answer();
  await advance(60_000);
  assert.equal(started.length, 2);
  assert.deepEqual(results, []);
  assert.throws(() => prober.setTargets([]), /closed/);
});

test("Prober applies another interval at once, not when the probe of the old one is due", async (context) => {
  const { prober, started, advance, answer } = rig(context, { delayMs: 3_600_000 });
  prober.setTargets([targetOf("a", { intervalMs: 3_600_000 })]);
  await advance(20);
  await answer();
  await advance(1000);
  prober.setTargets([targetOf("a")]);
  await advance(20);
  assert.deepEqual(started, ["a 20", "a 1040"]);
  await prober.close();
});
