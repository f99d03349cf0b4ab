import assert from "node:assert/strict";
import { test } from "node:test";
import { HangRestarts } from "../../src/agent/hang-restarts.ts";
import type { MirrorConfig } from "../../src/core/mirror-config.ts";
import { endpoint } from "../core/samples.ts";

const mirror = endpoint("https://10.0.0.1:5000");
const MINUTE = 60_000;

interface World {
  readonly restartOnHang?: boolean;
  /** What a restart comes to. */
  readonly restart?: () => Promise<string | null>;
  readonly spreadMs?: number;
  /** What happens while it waits. */
  readonly onWait?: () => void;
}

function rig({ restartOnHang = true, restart = async () => null, spreadMs = 0, onWait }: World = {}) {
  const told: string[] = [];
  const state = { nowMs: 0 };
  const restarts = new HangRestarts({
    config: () => ({ agent: { containerd: { restartOnHang } } }) as MirrorConfig,
    restart: (url) => {
      told.push(`restart for ${url}`);
      return restart();
    },
    emit: (event) => void told.push("problem" in event ? `${event.kind} ${event.problem}` : event.kind),
    drawSpreadMs: () => spreadMs,
    wait: async (ms) => {
      state.nowMs += ms;
      onWait?.();
    },
    nowMs: () => state.nowMs,
  });
  const considerAt = async (atMs: number): Promise<void> => {
    state.nowMs = atMs;
    restarts.consider(mirror);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { restarts, told, state, considerAt };
}

const DONE = ["hangRestartBegun", `restart for ${mirror.url}`, "hangRestartEnded null"];

test("consider() restarts containerd, says why, and then not for ten minutes", async () => {
  const { told, considerAt } = rig();
  for (const minute of [0, 1, 5, 9.9]) await considerAt(minute * MINUTE);
  assert.deepEqual(told, DONE);
  await considerAt(10 * MINUTE);
  assert.deepEqual(told, [...DONE, ...DONE]);
});

test("consider() does nothing where the operator did not ask for it", async () => {
  const { told, considerAt } = rig({ restartOnHang: false });
  await considerAt(0);
  assert.deepEqual(told, []);
});

test("consider() says what speaks against it, or what went wrong", async () => {
  const refusing = rig({ restart: async () => "the CRI does not answer" });
  await refusing.considerAt(0);
  assert.equal(refusing.told.at(-1), "hangRestartEnded the CRI does not answer");
  const failing = rig({
    restart: async () => {
      throw new Error("no lock");
    },
  });
  await failing.considerAt(0);
  await failing.considerAt(MINUTE);
  assert.deepEqual(failing.told.slice(-2), [`restart for ${mirror.url}`, "hangRestartEnded no lock"]);
});

test("consider() lets go when pulls are not seen to hang any more after the wait", async () => {
  const { told, considerAt } = rig({ spreadMs: 10_001 });
  await considerAt(0);
  assert.deepEqual(told, []);
});

test("consider() restarts once, however often it is told meanwhile", async () => {
  const gate = Promise.withResolvers<null>();
  const { restarts, told, considerAt } = rig({ restart: () => gate.promise });
  await considerAt(0);
  await considerAt(11 * MINUTE);
  assert.deepEqual(told, DONE.slice(0, 2));
  gate.resolve(null);
  await restarts.close();
  await considerAt(30 * MINUTE);
  assert.deepEqual(told, DONE);
});
