import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseSockets } from "../../src/agent/close-sockets.ts";
import { FreePulls, type FreePullsPorts } from "../../src/agent/free-pulls.ts";
import type { HungEndpoints } from "../../src/core/hung-endpoints.ts";
import { type HeldSocket, SocketError } from "../../src/node/sockets.ts";
import { endpoint } from "../core/samples.ts";

const mirror = endpoint("https://10.0.0.1:5000");
const other = endpoint("https://10.0.0.1:5000/v2/team");
const HUNG: HungEndpoints = { hung: [mirror], suspect: [], used: [] };
const ADDRESS = "10.0.0.1:5000";

const socket = (inode: string, changes: Partial<HeldSocket> = {}): HeldSocket => ({
  state: "ESTAB",
  local: `10.0.0.9:${inode}`,
  remote: ADDRESS,
  inode,
  bytesMoved: 100,
  isAnswered: true,
  fd: Number(inode),
  ...changes,
});

interface World {
  /** What each look finds; the last for ever. */
  readonly looks: readonly (readonly HeldSocket[])[];
  readonly ends?: boolean;
  readonly aborts?: boolean;
  readonly proxied?: boolean;
  readonly fails?: SocketError;
  readonly abortFails?: SocketError;
  readonly pid?: number | null;
}

/** Runs so many looks in no time, a second apart; gives what was done and told. */
async function run(world: World, endpoints: HungEndpoints = HUNG, lookCount = world.looks.length): Promise<string[]> {
  const { looks, ends = true, aborts = true, proxied = false, fails = null, pid = 7 } = world;
  const told: string[] = [];
  const enough = Promise.withResolvers<void>();
  let nowMs = 0;
  let looked = 0;
  const emit: FreePullsPorts["emit"] = (event) =>
    void told.push("count" in event ? `freed ${event.count}` : event.kind);
  const ports: FreePullsPorts = {
    findPid: async () => pid,
    addressesOf: async (url) => [new URL(url).host],
    isProxied: () => proxied,
    findSockets: async (_pid, servers) => {
      if (fails) throw fails;
      const seen = looks[Math.min(looked, looks.length - 1)] ?? [];
      return seen.filter(({ remote }) => servers.includes(remote));
    },
    closing: new CloseSockets({
      endSocket: async (_pid, { inode }) => told.push(`end ${inode}`) > 0 && ends,
      abortSocket: async ({ inode }) => {
        if (world.abortFails) throw world.abortFails;
        return told.push(`abort ${inode}`) > 0 && aborts;
      },
      emit,
    }),
    listDescriptors: () => new Set([1, 2]),
    endReturning: async (_pid, { servers, known }) => {
      told.push(`meet ${[...servers]}`);
      assert.deepEqual(known, looks[Math.min(looked, looks.length - 1)]);
      return 0;
    },
    onStuck: ({ url }) => void told.push(`stuck ${nowMs / 1000} ${url}`),
    emit,
    wait: async () => {
      looked += 1;
      nowMs += 1000;
      if (looked < lookCount) return;
      enough.resolve();
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
    nowMs: () => nowMs,
  };
  const freeing = new FreePulls(ports);
  freeing.follow(endpoints);
  await enough.promise;
  await freeing.close();
  return told;
}

const hangs = [socket("1")];

test("follow() ends what received nothing between two looks", async () => {
  assert.deepEqual(await run({ looks: [hangs, hangs, []] }), ["end 1", "freed 1", `meet ${ADDRESS}`]);
});

test("follow() tells of several connections at once", async () => {
  const two = [socket("1"), socket("2")];
  assert.deepEqual(await run({ looks: [two, two, []] }), ["end 1", "end 2", "freed 2", `meet ${ADDRESS}`]);
});

test("follow() never cuts a download that moves", async () => {
  const drips = [100, 101, 102, 103].map((bytesMoved) => [socket("1", { bytesMoved })]);
  assert.deepEqual(await run({ looks: drips }), []);
});

test("follow() frees what comes later, too", async () => {
  const later = [socket("2")];
  assert.deepEqual(await run({ looks: [hangs, hangs, [], later, later, []] }), [
    "end 1",
    "freed 1",
    `meet ${ADDRESS}`,
    "end 2",
    "freed 1",
    `meet ${ADDRESS}`,
  ]);
});

test("follow() ends a connection that is not open yet, too, and aborts one that cannot be ended", async () => {
  const opening = [socket("1", { state: "SYN-SENT", bytesMoved: 0 })];
  assert.deepEqual(await run({ looks: [opening, opening, []] }), ["end 1", "freed 1", `meet ${ADDRESS}`]);
  assert.deepEqual(await run({ looks: [hangs, hangs, []], ends: false }), ["end 1", "abort 1", "freed 1"]);
});

test("follow() aborts a connection that it ended in vain, and counts it once", async () => {
  const told = await run({ looks: [hangs, hangs, hangs, []] });
  assert.deepEqual(told, ["end 1", "freed 1", `meet ${ADDRESS}`, "abort 1"]);
});

test("follow() says once that closing does not work here", async () => {
  const told = await run({ looks: [hangs], ends: false, aborts: false }, HUNG, 12);
  assert.deepEqual(told, ["end 1", "abort 1", "abort 1", "freeingImpossible"]);
  assert.deepEqual(await run({ looks: [[]], fails: new SocketError("no ss") }, HUNG, 5), ["freeingImpossible"]);
});

test("follow() tells of what hangs for a minute after it was to be closed, and of nothing else", async () => {
  const world = { looks: [hangs], ends: false, aborts: false };
  const told = await run(world, HUNG, 64);
  assert.deepEqual(told.slice(0, 4), ["end 1", "abort 1", "abort 1", "freeingImpossible"]);
  assert.equal(told[4], `stuck 61 ${mirror.url}`);
  const moves = Array.from({ length: 130 }, (_, look) => [socket("1", { bytesMoved: Math.floor(look / 50) })]);
  const moving = await run({ ...world, looks: moves }, HUNG);
  assert.deepEqual(
    moving.filter((each) => each.startsWith("stuck")),
    [],
  );
});

test("follow() goes on looking where it is not permitted to close", async () => {
  const ports = { looks: [hangs], ends: false, abortFails: new SocketError("not permitted") };
  const told = await run(ports, HUNG, 64);
  assert.deepEqual(told.slice(0, 2), ["end 1", "freeingImpossible"]);
  assert.equal(told[2], `stuck 61 ${mirror.url}`);
});

test("follow() only looks at an endpoint that is in doubt, and frees it as soon as it is down", async () => {
  assert.deepEqual(await run({ looks: [hangs, hangs, hangs] }, { hung: [], suspect: [mirror], used: [mirror] }), []);
});

for (const [name, world, endpoints] of [
  ["an address that something in use has too", {}, { ...HUNG, used: [other] }],
  ["a proxy's connections", { proxied: true }, HUNG],
  ["anything while no containerd runs", { pid: null }, HUNG],
] as const) {
  test(`follow() leaves alone ${name}`, async () => {
    assert.deepEqual(await run({ looks: [hangs, hangs, hangs], ...world }, endpoints), []);
  });
}

test("follow() after close() begins nothing", async () => {
  const freeing = new FreePulls({ findPid: () => assert.fail("looked") } as unknown as FreePullsPorts);
  await freeing.close();
  freeing.follow(HUNG);
  await new Promise((resolve) => setImmediate(resolve));
  await freeing.close();
});
