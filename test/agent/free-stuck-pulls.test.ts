import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseSockets } from "../../src/agent/close-sockets.ts";
import { FreeStuckPulls } from "../../src/agent/free-stuck-pulls.ts";
import type { HeldSocket } from "../../src/node/sockets.ts";
import { endpoint } from "../core/samples.ts";

const mirror = endpoint("https://10.0.0.1:5000");
const ADDRESS = "10.0.0.1:5000";
const { signal } = new AbortController();

const socket = (inode: string, isAnswered: boolean): HeldSocket => ({
  state: "ESTAB",
  local: `10.0.0.9:${inode}`,
  remote: ADDRESS,
  inode,
  bytesMoved: 100,
  isAnswered,
  fd: Number(inode),
});

const BEGUN = socket("1", true);
const WAITING = socket("2", false);

function makeWorld({ ends = true, stuck = [BEGUN, WAITING] } = {}) {
  const told: string[] = [];
  const world = { nowMs: 0, isProven: false };
  const pulls = new FreeStuckPulls({
    closing: new CloseSockets({
      endSocket: async (_pid, { inode }) => ends && told.push(`end ${inode}`) > 0,
      abortSocket: async ({ inode }) => told.push(`abort ${inode}`) > 0,
      emit: ({ kind }) => told.push(kind),
    }),
    hasOtherWay: () => world.isProven,
    proveOtherWay: ({ url }) => told.push(`prove ${url}`),
    listDescriptors: () => new Set([1, 2]),
    endReturning: async (_pid, { servers }) => told.push(`meet ${[...servers]}`),
    emit: (event) => told.push("isSentOn" in event ? `freed ${event.count}, sent on: ${event.isSentOn}` : event.kind),
    nowMs: () => world.nowMs,
  });
  /** Frees at this time; gives what was done and which are dealt with. */
  const free = async (nowMs: number, isProven: boolean) => {
    Object.assign(world, { nowMs, isProven });
    const dealtWith = await pulls.free({ pid: 7, endpoints: [mirror], stuck, known: stuck }, signal);
    return { told: told.splice(0), dealtWith: dealtWith.map(({ inode }) => inode) };
  };
  return { free };
}

test("free() sends on what hangs where another way is proven", async () => {
  const { told, dealtWith } = await makeWorld().free(0, true);
  assert.deepEqual(told, ["end 1", "end 2", "freed 2, sent on: true", `meet ${ADDRESS}`]);
  assert.deepEqual(dealtWith, ["1", "2"]);
});

test("free() asks once for the proof of another way, and sends on as soon as it is there", async () => {
  const { free } = makeWorld();
  assert.deepEqual(await free(0, false), { told: [`prove ${mirror.url}`], dealtWith: [] });
  assert.deepEqual(await free(5000, false), { told: [], dealtWith: [] });
  assert.deepEqual((await free(9000, true)).dealtWith, ["1", "2"]);
});

test("free() lets downloads ask again where the proof does not come, and leaves what waits for an answer", async () => {
  const { free } = makeWorld();
  await free(0, false);
  const { told, dealtWith } = await free(10_000, false);
  assert.deepEqual([told, dealtWith], [["end 1", "freed 1, sent on: false"], ["1"]]);
});

test("free() asks for the proof anew after a minute", async () => {
  const { free } = makeWorld({ stuck: [WAITING] });
  await free(0, false);
  assert.deepEqual((await free(59_999, false)).told, []);
  assert.deepEqual((await free(60_000, false)).told, [`prove ${mirror.url}`]);
});

test("free() meets no return of what could only be aborted", async () => {
  const { told } = await makeWorld({ ends: false, stuck: [BEGUN] }).free(0, true);
  assert.deepEqual(told, ["abort 1", "freed 1, sent on: true"]);
});
