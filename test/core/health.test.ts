import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EndpointHealth, foldProbe, heldDownUntilMs, holdDownMs, unknownHealth } from "../../src/core/health.ts";
import { nextProbeDelayMs } from "../../src/core/probe-delay.ts";
import type { ProbeReason, ProbeResult } from "../../src/core/probe-result.ts";

const SETTINGS = { intervalMs: 5000, timeoutMs: 2000, fall: 2, rise: 2 };
const START = 1_000_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function good(latencyMs = 2): ProbeResult {
  return { ok: true, isDeep: true, latencyMs, certificateExpiresAtMs: null };
}

function bad(reason: ProbeReason = "refused"): ProbeResult {
  return { ok: false, reason, detail: `was ${reason}`, latencyMs: 1, certificateExpiresAtMs: null };
}

/** One letter a probe, five seconds apart: "+" is good, "-" is bad; the answer's letters are the states. */
function statesAfter(probes: string, settings = SETTINGS): string {
  let health = unknownHealth(START);
  return [...probes]
    .map((probe, index) => {
      health = foldProbe(health, probe === "+" ? good() : bad(), { settings, nowMs: START + index * 5000 });
      return health.state.slice(0, 1);
    })
    .join("");
}

const ROWS: readonly (readonly [string, string, string])[] = [
  ["one good probe brings an unknown endpoint up", "+", "u"],
  ["one bad probe leaves it unknown", "-", "u"],
  ["fall bad probes take an unknown endpoint down", "--", "ud"],
  ["a good probe after a bad one brings an unknown endpoint up", "-+", "uu"],
  ["one bad probe leaves it up", "+-", "uu"],
  ["fall bad probes take it down", "+--", "uud"],
  ["bad probes that are not in a row leave it up", "+-+-+-+", "uuuuuuu"],
  ["one good probe leaves it down", "--+", "udd"],
  ["rise good probes bring it up at once the first time", "--++", "uddu"],
  ["good probes that are not in a row leave it down", "--+-+-+", "udddddd"],
  ["after a relapse rise good probes are not enough", "--++--++", "udduuddd"],
  ["after a relapse 15 s of good probes bring it up", "--++--++++", "udduuddddu"],
  ["a bad probe starts the 15 s anew", "--++--+++-++++", "udduuddddddddu"],
];

describe("foldProbe() counts fall and rise", () => {
  for (const [name, probes, states] of ROWS) {
    test(`${name}: ${probes}`, () => assert.equal(statesAfter(probes), states));
  }

  test("with fall and rise 1 each probe decides", () => {
    assert.equal(statesAfter("-+", { ...SETTINGS, fall: 1, rise: 1 }), "du");
  });

  test("with fall 3 and rise 4 it takes as many", () => {
    assert.equal(statesAfter("+---++++", { ...SETTINGS, fall: 3, rise: 4 }), "uuuddddu");
  });
});

/** Takes an endpoint down and up again at once, as often as `times`, and then down. */
function relapse(times: number, nowMs = START): EndpointHealth {
  const context = { settings: { fall: 1, rise: 1 }, nowMs };
  let health = foldProbe(unknownHealth(nowMs), bad(), context);
  for (let i = 0; i < times; i += 1) {
    health = { ...foldProbe({ ...health, relapses: 0 }, good(), context), relapses: health.relapses };
    health = foldProbe(health, bad(), context);
  }
  return health;
}

describe("foldProbe() damps what flaps", () => {
  test("holds down for 15 s after the first relapse, and twice as long after each other one, up to ten minutes", () => {
    const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 20].map((times) => holdDownMs(relapse(times)) / 1000);
    assert.deepEqual(seconds, [0, 15, 30, 60, 120, 240, 480, 600, 600, 600]);
  });

  test("forgets after an hour of being up, and not a moment before", () => {
    const recovered = { ...relapse(4), state: "up" as const, recoveredAtMs: START };
    const fallAfter = (ms: number): number =>
      foldProbe(recovered, bad(), { settings: { fall: 1, rise: 1 }, nowMs: START + ms }).relapses;
    assert.equal(fallAfter(HOUR - 1), 5);
    assert.equal(fallAfter(HOUR), 0);
  });

  test("tells until when a good endpoint is held down", () => {
    const health = relapse(2);
    assert.equal(heldDownUntilMs(health), null);
    const answering = foldProbe(health, good(), { settings: SETTINGS, nowMs: START + 7 });
    assert.equal(heldDownUntilMs(answering), START + 7 + 30_000);
    const first = foldProbe(relapse(0), good(), { settings: SETTINGS, nowMs: START + 7 });
    assert.equal(heldDownUntilMs(first), null);
  });

  test("starts the count anew when the clock is set back", () => {
    let health = foldProbe(relapse(1), good(), { settings: SETTINGS, nowMs: START + HOUR });
    health = foldProbe(health, good(), { settings: SETTINGS, nowMs: START });
    health = foldProbe(health, good(), { settings: SETTINGS, nowMs: START + 15_000 });
    assert.equal(health.state, "up");
  });
});

describe("foldProbe() keeps what was measured", () => {
  const context = { settings: SETTINGS, nowMs: START };

  test("the reason is the latest while down, and none while up", () => {
    let health = foldProbe(unknownHealth(START), bad("refused"), context);
    assert.deepEqual([health.reason, health.detail], ["refused", "was refused"]);
    health = foldProbe(health, bad("dns"), context);
    assert.equal(health.reason, "dns");
    health = foldProbe(health, bad("server-error"), context);
    assert.equal(health.reason, "server-error");
    health = foldProbe(foldProbe(health, good(), context), good(), context);
    assert.deepEqual([health.state, health.reason, health.detail], ["up", null, null]);
    assert.equal(foldProbe(health, bad(), context).reason, null);
  });

  test("latency is that of the last good probe, and the certificate's end the last that was seen", () => {
    const first = foldProbe(unknownHealth(START), { ...good(3), certificateExpiresAtMs: 9 }, context);
    const second = foldProbe(first, bad(), context);
    assert.deepEqual([second.latencyMs, second.certificateExpiresAtMs], [3, 9]);
  });

  test("since is when the state began", () => {
    const at = (nowMs: number) => ({ settings: SETTINGS, nowMs });
    let health = foldProbe(unknownHealth(1), good(), at(2));
    health = foldProbe(health, good(), at(3));
    assert.equal(health.sinceMs, 2);
    health = foldProbe(foldProbe(health, bad(), at(4)), bad(), at(5));
    assert.equal(foldProbe(health, bad(), at(6)).sinceMs, 5);
  });

  test("it is the same after a way through JSON", () => {
    const health = foldProbe(relapse(3), good(), context);
    assert.deepEqual(JSON.parse(JSON.stringify(health)), health);
  });
});

/** A generator of our own (mulberry32), so that a failure can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Weather = (health: EndpointHealth, nowMs: number) => boolean;

function countChanges(
  weather: Weather,
  random: () => number,
  durationMs = HOUR,
): { changes: number; last: EndpointHealth } {
  let health = unknownHealth(START);
  let changes = 0;
  for (let nowMs = START; nowMs < START + durationMs; ) {
    const next = foldProbe(health, weather(health, nowMs) ? good() : bad(), { settings: SETTINGS, nowMs });
    if (next.state !== health.state) changes += 1;
    health = next;
    nowMs += nextProbeDelayMs(health, SETTINGS, { random, gentle: false });
  }
  return { changes, last: health };
}

// Recoveries in an hour: one for free, six of 15 s to 480 s (945 s together), four of 600 s; each may be followed
// by a fall, and before the first there are two changes.
const MOST_CHANGES = 2 + 2 * (1 + 6 + 4);

describe("foldProbe() changes state a bounded number of times in an hour", () => {
  test("whatever the probes say", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = randomFrom(seed);
      const chance = random();
      const { changes } = countChanges(() => random() < chance, random);
      assert.ok(changes <= MOST_CHANGES, `seed ${seed}: ${changes} changes`);
    }
  });

  test("when outages come and go at random", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = randomFrom(seed);
      const meanMs = 1000 + random() * 5 * MINUTE;
      let isGood = true;
      let until = START;
      const weather: Weather = (_health, nowMs) => {
        while (nowMs >= until) {
          isGood = !isGood;
          until += -Math.log(1 - random()) * meanMs;
        }
        return isGood;
      };
      const { changes } = countChanges(weather, random);
      assert.ok(changes <= MOST_CHANGES, `seed ${seed}: ${changes} changes`);
    }
  });

  test("when it fails each time as soon as it is trusted", () => {
    const { changes } = countChanges(({ state }) => state !== "up", randomFrom(1));
    assert.ok(changes <= MOST_CHANGES && changes > MOST_CHANGES / 2, `${changes} changes`);
  });

  test("and ends up when it has been good for long enough", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = randomFrom(seed);
      const weather: Weather = (_health, nowMs) => nowMs > START + 45 * MINUTE || random() < 0.5;
      assert.equal(countChanges(weather, random).last.state, "up", `seed ${seed}`);
    }
  });
});
