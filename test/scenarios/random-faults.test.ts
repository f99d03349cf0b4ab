// An hour of faults, compressed: however a mirror behaves, the damping rule bounds how often the routes change, and
// once it settles they are right. Fake time, real bytes of hosts.toml.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { holdDownMs } from "../../src/core/health.ts";
import { MemoryNode } from "./memory-node.ts";
import { type Weather, WeatherStation } from "./weather.ts";

const CONFIG = "registryMirrors:\n  - endpoint: https://mirror:5000\n";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WITH_MIRROR = /^\[host\."https:\/\/mirror:5000"\]$/m;

/** mulberry32, so that a failure can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How often routes may change in a time: there and back, once for free, and then as often as hold-downs fit into it. */
function mostChanges(durationMs: number): number {
  let recoveries = 1;
  for (let heldMs = holdDownMs({ relapses: 1 }); heldMs <= durationMs; heldMs += holdDownMs({ relapses: recoveries })) {
    recoveries += 1;
  }
  return 2 * (recoveries + 1);
}

/** Weather that changes after a second to some minutes, drawn beforehand. */
function changeable(random: () => number, startMs: number, kinds: readonly Weather[]): (nowMs: number) => Weather {
  const spells: { untilMs: number; sky: Weather }[] = [];
  for (let untilMs = startMs; untilMs < startMs + HOUR; ) {
    untilMs += 1000 * 300 ** random();
    spells.push({ untilMs, sky: kinds[Math.floor(random() * kinds.length)] ?? "fair" });
  }
  return (nowMs) => spells.find((spell) => nowMs < spell.untilMs)?.sky ?? "fair";
}

describe("an hour of random faults", () => {
  for (const end of ["fair", "dead", "hollow"] as const) {
    test(`changes the routes no more often than the damping rule allows, and ends right when it ends ${end}`, async () => {
      for (let seed = 1; seed <= 8; seed += 1) {
        const random = randomFrom(seed);
        const node = new MemoryNode(CONFIG);
        const startMs = node.nowMs;
        const mirror = changeable(random, startMs, ["fair", "fair", "dead", "hollow"]);
        const station = new WeatherStation({
          node,
          random,
          weather: ({ role }, nowMs) => (role === "upstream" ? "fair" : nowMs < startMs + HOUR ? mirror(nowMs) : end),
        });
        await station.run(HOUR);
        assert.ok(station.changes.length - 1 <= mostChanges(HOUR), `seed ${seed}: ${station.changes.length} routes`);
        await station.run(15 * MINUTE);
        const last = station.changes.length;
        await station.run(10 * MINUTE);
        assert.equal(station.changes.length, last, `seed ${seed}: settled`);
        assert.equal(WITH_MIRROR.test(node.hostsToml("gcr.io") ?? ""), end === "fair", `seed ${seed}`);
      }
    });
  }

  test("never leaves a node with less than there is, when the upstream fails as well", async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const random = randomFrom(seed);
      const node = new MemoryNode(CONFIG);
      const startMs = node.nowMs;
      const mirror = changeable(random, startMs, ["fair", "dead"]);
      const upstream = changeable(random, startMs, ["fair", "dead"]);
      const station = new WeatherStation({
        node,
        random,
        weather: ({ role }, nowMs) =>
          nowMs < startMs + HOUR ? (role === "upstream" ? upstream : mirror)(nowMs) : "fair",
      });
      await station.run(HOUR);
      for (const { hostsToml } of station.changes) assert.match(hostsToml, /^server = "https:\/\/gcr\.io"$/m);
      assert.ok(station.changes.length - 1 <= mostChanges(HOUR), `seed ${seed}: ${station.changes.length} routes`);
      await station.run(20 * MINUTE);
      assert.match(node.hostsToml("gcr.io") ?? "", WITH_MIRROR);
    }
  });
});

test("a mirror that fails whenever it is trusted moves the routes ever less often", async () => {
  const node = new MemoryNode(CONFIG);
  const station = new WeatherStation({
    node,
    random: randomFrom(1),
    weather: ({ role }) =>
      role === "mirror" && WITH_MIRROR.test(node.hostsToml("gcr.io") ?? "") && (node.view?.decisions.length ?? 0) > 0
        ? "dead"
        : "fair",
  });
  await station.run(HOUR);
  const inFirst = station.changes.length - 1;
  assert.ok(inFirst <= mostChanges(HOUR), `${inFirst} changes`);
  assert.ok(inFirst >= 10, "it was tried again and again");
  await station.run(HOUR);
  const inSecond = station.changes.length - 1 - inFirst;
  assert.ok(inSecond <= 12, `${inSecond} changes: once in ten minutes and back`);
});
