import assert from "node:assert/strict";
import { test } from "node:test";
import { areQuiet, askAnew, findStuck, foldAlarms, NO_ALARMS, watchAnew } from "../../src/core/pull-alarms.ts";
import type { TcpSocket } from "../../src/core/tcp-socket.ts";

const MIRROR = "10.0.0.1:5000";
const OTHER = "10.0.0.2:5000";

const socket = (inode: string, bytesMoved: number, remote = MIRROR): TcpSocket => ({
  state: "ESTAB",
  local: "10.0.0.9:4711",
  remote,
  inode,
  bytesMoved,
  isAnswered: true,
});

const CALM = { intervalMs: 5000, doubted: new Set<string>() };

type Look = readonly [atMs: number, ...sockets: TcpSocket[]];

/** The looks at which there was an alarm, with the mirrors concerned. */
function alarms(...looks: readonly Look[]): string[] {
  const told: string[] = [];
  let alarms = NO_ALARMS;
  for (const [nowMs, ...sockets] of looks) {
    const { next, ask } = foldAlarms(alarms, sockets, { ...CALM, nowMs });
    told.push(...ask.map((address) => `${nowMs} ${address}`));
    alarms = next;
  }
  return told;
}

test("foldAlarms() asks as a pull begins, and not for each of its connections", () => {
  const looks: readonly Look[] = [
    [0, socket("1", 0)],
    [500, socket("1", 10), socket("2", 0)],
    [1000, socket("1", 20), socket("2", 5), socket("3", 0)],
  ];
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`]);
});

test("foldAlarms() asks for each mirror on its own", () => {
  const looks: readonly Look[] = [
    [0, socket("1", 0)],
    [500, socket("1", 10), socket("2", 0, OTHER)],
  ];
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`, `500 ${OTHER}`]);
});

test("foldAlarms() asks once when a connection receives nothing for a second", () => {
  const stuck = socket("1", 10);
  const looks: readonly Look[] = [0, 999, 1000, 2000, 3500, 6000, 60_000].map((atMs) => [atMs, stuck]);
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`, `1000 ${MIRROR}`]);
});

test("foldAlarms() asks about one that stalls only half an interval after another did", () => {
  const looks: readonly Look[] = [
    [0, socket("1", 10)],
    [1000, socket("1", 10), socket("2", 0)],
    [2000, socket("1", 10), socket("2", 0)],
    [3499, socket("1", 10), socket("2", 0)],
    [3500, socket("1", 10), socket("2", 0)],
  ];
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`, `1000 ${MIRROR}`, `3500 ${MIRROR}`]);
});

test("foldAlarms() asks again when it has moved and stalls anew", () => {
  const looks: readonly Look[] = [
    [0, socket("1", 10)],
    [3000, socket("1", 10)],
    [10_000, socket("1", 20)],
    [10_999, socket("1", 20)],
    [11_000, socket("1", 20)],
  ];
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`, `3000 ${MIRROR}`, `11000 ${MIRROR}`]);
});

test("foldAlarms() asks for nothing while a slow download moves", () => {
  const looks = Array.from({ length: 30 }, (_, second): Look => [second * 900, socket("1", second)]);
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`]);
});

test("foldAlarms() asks for a pull that begins soon after another only two intervals later", () => {
  const looks: readonly Look[] = [
    [0, socket("1", 0)],
    [4000, socket("2", 0)],
    [4900, socket("2", 1)],
    [9900, socket("2", 2)],
    [10_000, socket("2", 3)],
  ];
  assert.deepEqual(alarms(...looks), [`0 ${MIRROR}`, `10000 ${MIRROR}`]);
});

test("areQuiet() says whether nothing has moved", () => {
  const { next } = foldAlarms(NO_ALARMS, [socket("1", 0)], { ...CALM, nowMs: 0 });
  assert.equal(areQuiet(next, 5000, 4999), false);
  assert.equal(areQuiet(next, 5000, 5000), true);
});

test("foldAlarms() asks about no mirror in doubt, and about what stalls there when it is not in doubt any more", () => {
  const [stuck, doubted] = [socket("1", 10), new Set([MIRROR])];
  const first = foldAlarms(NO_ALARMS, [stuck], { ...CALM, doubted, nowMs: 0 });
  const second = foldAlarms(first.next, [stuck], { ...CALM, doubted, nowMs: 2000 });
  const third = foldAlarms(second.next, [stuck], { ...CALM, nowMs: 3000 });
  assert.deepEqual([first.ask, second.ask, third.ask], [[], [], [MIRROR]]);
});

/** Whether one that stands still is stuck so long after it was seen first, having stalled a second after that. */
function isStuckAt(nowMs: number, { doubted = CALM.doubted, askAnewAtMs = Infinity, watchAnewAtMs = Infinity } = {}) {
  const stuck = socket("1", 10);
  let alarms = NO_ALARMS;
  for (let atMs = 0; atMs <= nowMs; atMs += 1000) {
    if (atMs === askAnewAtMs) alarms = askAnew(alarms);
    if (atMs === watchAnewAtMs) alarms = watchAnew(alarms, [stuck], atMs);
    alarms = foldAlarms(alarms, [stuck], { ...CALM, nowMs: atMs }).next;
  }
  return findStuck(alarms, [stuck, socket("2", 0)], { doubted, nowMs }).length === 1;
}

test("findStuck() finds what no connection kept for later can be, while its mirror answers", () => {
  assert.deepEqual(
    [39_000, 40_000].map((atMs) => isStuckAt(atMs)),
    [false, true],
  );
  assert.equal(isStuckAt(40_000, { doubted: new Set([MIRROR]) }), false);
});

test("findStuck() waits for the answer of a mirror that was asked about anew", () => {
  assert.deepEqual(
    [41_000, 42_000].map((atMs) => isStuckAt(atMs, { askAnewAtMs: 37_000 })),
    [false, true],
  );
});

test("findStuck() has as much patience again with what was closed", () => {
  assert.deepEqual(
    [80_000, 81_000].map((atMs) => isStuckAt(atMs, { watchAnewAtMs: 41_000 })),
    [false, true],
  );
});
