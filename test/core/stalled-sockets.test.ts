import assert from "node:assert/strict";
import { test } from "node:test";
import { foldLook, type Looks, NO_LOOKS, nextLookMs } from "../../src/core/stalled-sockets.ts";
import type { TcpSocket } from "../../src/core/tcp-socket.ts";

const socket = (inode: string, bytesReceived: number): TcpSocket => ({
  state: "ESTAB",
  local: `127.0.0.1:${40_000 + Number(inode)}`,
  remote: "127.0.0.1:5000",
  inode,
  bytesReceived,
});

/** Looks at each time at connections with so many bytes, by inode; gives the inodes that hang at the last look. */
function lookAt(looksAt: Readonly<Record<number, Readonly<Record<string, number>>>>): string[] {
  let looks: Looks = NO_LOOKS;
  let stalled: TcpSocket[] = [];
  for (const [atMs, seen] of Object.entries(looksAt)) {
    const sockets = Object.entries(seen).map(([inode, bytes]) => socket(inode, bytes));
    ({ looks, stalled } = foldLook(looks, sockets, Number(atMs)));
  }
  return stalled.map(({ inode }) => inode);
}

const cases: readonly (readonly [string, Parameters<typeof lookAt>[0], readonly string[]])[] = [
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

test("nextLookMs() looks often while there is something to see, then seldom, and ends", () => {
  const waits = [0, 999, 1000, 59_999, 60_000, 30 * 60_000 - 1, 30 * 60_000].map(nextLookMs);
  assert.deepEqual(waits, [250, 250, 1000, 1000, 5000, 5000, null]);
});
