import assert from "node:assert/strict";
import { test } from "node:test";
import { foldLook, type Looks, lookAnew, NO_LOOKS, nextLookMs } from "../../src/core/stalled-sockets.ts";
import type { TcpSocket } from "../../src/core/tcp-socket.ts";

const socket = (inode: string, bytesMoved: number): TcpSocket => ({
  state: "ESTAB",
  local: `127.0.0.1:${40_000 + Number(inode)}`,
  remote: "127.0.0.1:5000",
  inode,
  bytesMoved,
  isAnswered: true,
});

/** At some times, connections with so many bytes, by inode. */
type LooksAt = Readonly<Record<number, Readonly<Record<string, number>>>>;

/** Gives the inodes that hang at the last look. */
function lookAt(looksAt: LooksAt, hanging: readonly string[] = []): string[] {
  let looks: Looks = NO_LOOKS;
  let stalled: TcpSocket[] = [];
  for (const [atMs, seen] of Object.entries(looksAt)) {
    const sockets = Object.entries(seen).map(([inode, bytes]) => socket(inode, bytes));
    ({ looks, stalled } = foldLook(looks, sockets, { nowMs: Number(atMs), hanging: new Set(hanging) }));
  }
  return stalled.map(({ inode }) => inode);
}

const cases: readonly (readonly [string, LooksAt, readonly string[]])[] = [
  ["one look is never enough", { 5000: { 1: 0 } }, []],
  ["nothing received between two looks a second apart", { 5000: { 1: 0 }, 6000: { 1: 0 } }, ["1"]],
  ["nothing for less than a second", { 5000: { 1: 0 }, 5999: { 1: 0 } }, []],
  ["nothing over many looks", { 0: { 1: 7 }, 250: { 1: 7 }, 500: { 1: 7 }, 750: { 1: 7 }, 1000: { 1: 7 } }, ["1"]],
  ["one byte within the second", { 0: { 1: 7 }, 500: { 1: 8 }, 1000: { 1: 8 } }, []],
  ["a slow drip, however long", { 0: { 1: 1 }, 900: { 1: 2 }, 1800: { 1: 3 }, 2700: { 1: 4 } }, []],
  ["one hangs, one moves, one is new", { 0: { 1: 1, 2: 1 }, 1000: { 1: 1, 2: 2, 3: 0 } }, ["1"]],
  ["an inode that went away and came again is new", { 0: { 1: 0 }, 500: {}, 1000: { 1: 0 } }, []],
];

for (const [name, looks, expected] of cases) {
  test(`foldLook() tells hanging from slow: ${name}`, () => {
    assert.deepEqual(lookAt(looks), expected);
  });
}

const young: readonly (readonly [string, LooksAt, readonly string[]])[] = [
  ["a new connection that receives nothing", { 0: { 1: 0 }, 250: { 1: 0 } }, ["1"]],
  ["one that has received something since it was new", { 0: { 1: 0 }, 250: { 1: 9 }, 1249: { 1: 9 } }, []],
];

for (const [name, looks, expected] of young) {
  test(`foldLook() waits less long where others hang: ${name}`, () => {
    assert.deepEqual(lookAt(looks, ["127.0.0.1:5000"]), expected);
    assert.deepEqual(lookAt(looks, ["127.0.0.1:5001"]), []);
  });
}

test("lookAnew() gives a connection that was closed a whole second to go away", () => {
  const hanging = new Set(["127.0.0.1:5000"]);
  const first = foldLook(NO_LOOKS, [socket("1", 0)], { nowMs: 0, hanging }).looks;
  const closed = lookAnew(first, socket("1", 0), 250);
  assert.deepEqual(foldLook(closed, [socket("1", 0)], { nowMs: 1249, hanging }).stalled, []);
  assert.equal(foldLook(closed, [socket("1", 0)], { nowMs: 1250, hanging }).stalled.length, 1);
});

test("nextLookMs() looks often while there is something to see, then seldom, and ends", () => {
  const waits = [0, 999, 1000, 59_999, 60_000, 30 * 60_000 - 1, 30 * 60_000].map(nextLookMs);
  assert.deepEqual(waits, [250, 250, 1000, 1000, 5000, 5000, null]);
});
