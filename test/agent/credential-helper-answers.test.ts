import assert from "node:assert/strict";
import { test } from "node:test";
import { HelperAnswers } from "../../src/agent/credential-helper-answers.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import type { HelperAnswer } from "../../src/node/credential-helper.ts";

const USE = { path: "/config.json", name: "test", serverAddress: "r.example" };
const NOT_YET = "docker-credential-test has not answered yet";

/** Helpers that answer when the test says so, and a clock of the test's own. */
function setUp(patienceMs: number | null = null) {
  const stop = new AbortController();
  const state = { nowMs: 1_000_000, runs: [] as PromiseWithResolvers<HelperAnswer>[], changes: 0 };
  const answers = new HelperAnswers({
    ask: () => {
      const run = Promise.withResolvers<HelperAnswer>();
      state.runs.push(run);
      return run.promise;
    },
    patienceMs,
    onChange: () => state.changes++,
    steadyMs: () => state.nowMs,
    signal: stop.signal,
  });
  const read = async ({ stamp = "1", maxAgeMs = 60_000 } = {}): Promise<string> => {
    const answer = await answers.answerOf({ ...USE, stamp, maxAgeMs });
    if (answer.kind === "problem") return answer.problem;
    return answer.kind === "found" && answer.credential.kind === "basic" ? answer.credential.username : answer.kind;
  };
  const say = async (answer: HelperAnswer): Promise<void> => {
    state.runs.at(-1)?.resolve(answer);
    await new Promise(setImmediate);
  };
  return { state, stop, read, say };
}

const user = (username: string): HelperAnswer => ({
  kind: "found",
  credential: { kind: "basic", username, password: new Secret("hunter2") },
});

/** As setUp(), and "joe" is the answer. */
async function setUpAnswered() {
  const known = setUp();
  const first = known.read();
  await known.say(user("joe"));
  assert.equal(await first, "joe");
  return known;
}

test("HelperAnswers gives several who ask at once the first answer of one run", async () => {
  const { state, read, say } = setUp();
  const both = Promise.all([read(), read()]);
  await say(user("joe"));
  assert.deepEqual(await both, ["joe", "joe"]);
  assert.deepEqual([state.runs.length, state.changes], [1, 0]);
});

test("HelperAnswers runs a helper beside those who ask, once a minute, and tells of a change alone", async () => {
  const { state, read, say } = await setUpAnswered();
  state.nowMs += 59_000;
  assert.deepEqual([await read(), state.runs.length], ["joe", 1]);
  state.nowMs += 1_000;
  assert.deepEqual([await read(), await read(), state.runs.length], ["joe", "joe", 2]);
  await say(user("joe"));
  assert.equal(state.changes, 0);
  state.nowMs += 60_000;
  assert.deepEqual([await read(), state.runs.length], ["joe", 3]);
  await say(user("ann"));
  assert.deepEqual([state.changes, await read(), state.runs.length], [1, "ann", 3]);
});

test("HelperAnswers asks earlier where an answer was refused, and not for its age where a change is dear", async () => {
  const { state, read } = await setUpAnswered();
  state.nowMs += 1_000_000;
  await read({ maxAgeMs: Number.POSITIVE_INFINITY });
  assert.equal(state.runs.length, 1);
  await read({ maxAgeMs: 10_000 });
  assert.equal(state.runs.length, 2);
});

test("HelperAnswers asks again at once when the file was written, also while the helper runs", async () => {
  const { state, read, say } = await setUpAnswered();
  assert.deepEqual([await read({ stamp: "2" }), state.runs.length], ["joe", 2]);
  assert.deepEqual([await read({ stamp: "3" }), state.runs.length], ["joe", 2]);
  await say(user("joe"));
  assert.equal(state.changes, 1, "what the file stood for may have come after that answer");
  assert.deepEqual([await read({ stamp: "3" }), state.runs.length], ["joe", 3]);
});

test("HelperAnswers asks again soon after a failure", async () => {
  const { state, read, say } = setUp();
  const first = read();
  await say({ kind: "problem", problem: "no network" });
  assert.equal(await first, "no network");
  state.nowMs += 10_000;
  await read();
  await say(user("joe"));
  assert.deepEqual([state.changes, await read()], [1, "joe"]);
});

test("HelperAnswers waits a bounded time for the first answer, once, and tells when it has come", async () => {
  const { state, read, say } = setUp(1);
  assert.deepEqual([await read(), await read(), state.runs.length], [NOT_YET, NOT_YET, 1]);
  await say(user("joe"));
  assert.deepEqual([state.changes, await read()], [1, "joe"]);
});

test("HelperAnswers ends with its signal", async () => {
  const { state, stop, read } = setUp();
  const first = read();
  stop.abort();
  state.runs[0]?.reject(stop.signal.reason);
  await assert.rejects(first, { name: "AbortError" });
  assert.equal(state.changes, 0);
});
