import assert from "node:assert/strict";
import { test } from "node:test";
import { PullWatch, type PullWatchPorts } from "../../src/agent/pull-watch.ts";
import { type HeldSocket, SocketError } from "../../src/node/sockets.ts";
import { endpoint } from "../core/samples.ts";

const mirror = endpoint("https://10.0.0.1:5000");
const ADDRESS = "10.0.0.1:5000";

const socket = (inode: string, bytesMoved = 0): HeldSocket => ({
  state: "ESTAB",
  local: `10.0.0.9:${inode}`,
  remote: ADDRESS,
  inode,
  bytesMoved,
  isAnswered: true,
  fd: 5,
});

interface Moment {
  /** Descriptors of containerd; null: it cannot be looked at. */
  readonly count?: number | null;
  readonly inodes?: readonly string[];
  /** What ss would show. */
  readonly sockets?: readonly HeldSocket[];
}

interface World {
  /** One a look; the last for ever. */
  readonly moments: readonly Moment[];
  readonly lookCount?: number;
  readonly proxied?: boolean;
  readonly fails?: SocketError;
  readonly intervalMs?: number;
  /** Whether what is stuck is dealt with at once. */
  readonly frees?: boolean;
  readonly onLook?: (looked: number, watch: PullWatch) => void;
}

/** Runs so many looks in no time; gives what was done, each with the number of its look, and the waits between. */
async function run({
  moments,
  lookCount = moments.length,
  proxied = false,
  fails,
  intervalMs = 5000,
  frees = true,
  onLook,
}: World) {
  const done: string[] = [];
  const waits: number[] = [];
  const enough = Promise.withResolvers<void>();
  let nowMs = 0;
  let looked = 0;
  const now = (): Moment => moments[Math.min(looked, moments.length - 1)] ?? {};
  const tell = (what: string): void => void done.push(`${looked} ${what}`);
  const ports: PullWatchPorts = {
    findPid: async () => 7,
    countDescriptors: () => (now().count === undefined ? 10 : (now().count ?? null)),
    listSocketInodes: () => {
      tell("list");
      return new Set(now().inodes);
    },
    addressesOf: async (url) => [new URL(url).host],
    isProxied: () => proxied,
    findSockets: async (_pid, servers) => {
      tell("ss");
      if (fails) throw fails;
      return (now().sockets ?? []).filter(({ remote }) => servers.includes(remote));
    },
    onAlarm: ({ url }) => tell(`alarm ${url}`),
    freeStuck: async ({ endpoints, stuck }) => {
      tell(`stuck ${stuck.map(({ inode }) => inode)} at ${endpoints.map(({ url }) => url)}`);
      return frees ? stuck : [];
    },
    wait: async (ms) => {
      waits.push(ms);
      looked += 1;
      nowMs += ms;
      onLook?.(looked, watch);
      if (looked < lookCount) return;
      enough.resolve();
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
    nowMs: () => nowMs,
  };
  const watch = new PullWatch(ports);
  watch.follow({ endpoints: [mirror], doubted: [], intervalMs });
  await enough.promise;
  await watch.close();
  return { done, waits };
}

test("PullWatch reads no more than a number while nothing is opened or closed", async () => {
  const { done, waits } = await run({ moments: [{ inodes: ["1"] }], lookCount: 100 });
  assert.deepEqual(done, ["0 list", "0 ss"]);
  assert.deepEqual(new Set(waits), new Set([1000]));
});

test("PullWatch looks at connections only when there is a new socket", async () => {
  const moments = [{ inodes: ["1"] }, { count: 11, inodes: ["1"] }, { count: 12, inodes: ["1", "2"] }];
  assert.deepEqual((await run({ moments })).done, ["0 list", "0 ss", "1 list", "2 list", "2 ss"]);
});

test("PullWatch tells of a pull that begins, and of one that stalls", async () => {
  const pull = { count: 12, inodes: ["2"], sockets: [socket("2", 10)] };
  const { done } = await run({ moments: [{}, pull, pull, pull, pull] });
  const alarms = done.filter((each) => each.includes("alarm"));
  assert.deepEqual(alarms, [`1 alarm ${mirror.url}`, `2 alarm ${mirror.url}`]);
});

test("PullWatch looks at quiet connections rarely, and at once when something is opened", async () => {
  const kept = { count: 12, inodes: ["2"], sockets: [socket("2", 10)] };
  const again = { ...kept, count: 13, sockets: [socket("2", 20)] };
  const moments = [...Array.from({ length: 13 }, () => kept), again];
  const { done } = await run({ moments, lookCount: 14 });
  const looks = done.filter((each) => each.endsWith(" ss")).map((each) => Number(each.split(" ")[0]));
  assert.deepEqual(looks, [0, 1, 2, 3, 4, 9, 13]);
});

test("PullWatch looks more often where probes come more often", async () => {
  assert.deepEqual((await run({ moments: [{}], intervalMs: 1000, lookCount: 3 })).waits, [200, 200, 200]);
});

test("PullWatch rests where containerd cannot be looked at, and where there is no ss", async () => {
  const { done, waits } = await run({ moments: [{ count: null }], lookCount: 3 });
  assert.deepEqual(done, []);
  assert.deepEqual(waits, [10_000, 10_000, 10_000]);
  const without = await run({ moments: [{ inodes: ["1"] }], fails: new SocketError("no ss"), lookCount: 2 });
  assert.deepEqual(without.waits, [10_000, 1000]);
});

test("PullWatch leaves a proxy's connections out of it", async () => {
  const pull = { inodes: ["2"], sockets: [socket("2")] };
  const { done } = await run({ moments: [pull], proxied: true, lookCount: 5 });
  assert.ok(!done.some((each) => each.includes("alarm")), done.join("\n"));
});

test("PullWatch asks again about what stalls when the mirror was in doubt meanwhile", async () => {
  const pull = { count: 12, inodes: ["2"], sockets: [socket("2", 10)] };
  const onLook = (looked: number, watch: PullWatch): void => {
    if (looked === 8) watch.follow({ endpoints: [mirror], doubted: [mirror], intervalMs: 5000 });
    if (looked === 9) watch.follow({ endpoints: [mirror], doubted: [], intervalMs: 5000 });
  };
  const { done } = await run({ moments: [pull], lookCount: 14, onLook });
  const alarms = done.filter((each) => each.includes("alarm")).map((each) => Number(each.split(" ")[0]));
  assert.deepEqual(alarms.length, 3, done.join("\n"));
  assert.ok((alarms[2] ?? 0) >= 9, "not while it is in doubt");
  const undoubted = await run({ moments: [pull], lookCount: 14 });
  assert.equal(undoubted.done.filter((each) => each.includes("alarm")).length, 2);
});

test("PullWatch tells of what hangs by itself, again each time that it is not dealt with", async () => {
  const pull = { count: 12, inodes: ["2"], sockets: [socket("2", 10)] };
  const stuckAt = (done: readonly string[]) => done.filter((each) => each.includes("stuck"));
  const freed = await run({ moments: [pull], lookCount: 70 });
  assert.deepEqual(stuckAt(freed.done), [`44 stuck 2 at ${mirror.url}`]);
  const waiting = await run({ moments: [pull], lookCount: 56, frees: false });
  assert.deepEqual(
    stuckAt(waiting.done).map((each) => Number(each.split(" ")[0])),
    [44, 49, 54],
  );
});

test("PullWatch ends with nothing to follow, and begins again", async () => {
  let asked = 0;
  const ports = {
    findPid: async () => null,
    wait: async (_ms: number, signal: AbortSignal) => {
      asked += 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  } as unknown as PullWatchPorts;
  const watch = new PullWatch(ports);
  for (const endpoints of [[mirror], [], [mirror]]) {
    watch.follow({ endpoints, doubted: [], intervalMs: 5000 });
    await new Promise((resolve) => setImmediate(resolve));
  }
  await watch.close();
  assert.equal(asked, 2);
});
