import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Canaries } from "../../src/agent/canaries.ts";
import type { Canary, NodeImage } from "../../src/core/canary.ts";
import type { ProbeImage } from "../../src/core/mirror-config.ts";
import { config } from "../core/samples.ts";

const NEVER = new AbortController().signal;
const CONFIG = config();
const MINUTE = 60_000;

function image(name: string, size: number): NodeImage {
  return { repoDigests: [`${name}@sha256:${"ab".repeat(32)}`], size };
}

function rig(images: readonly NodeImage[] | null) {
  const state = { images, listed: 0, nowMs: 1_000_000 };
  const canaries = new Canaries({
    listImages: async () => {
      state.listed += 1;
      return state.images;
    },
    nowMs: () => state.nowMs,
  });
  const mirror = (probeImage: ProbeImage | null = null, endpoint = "https://mirror") => ({
    endpoint,
    hosts: ["gcr.io"],
    probe: { image: probeImage, maxLatencyMs: null },
  });
  const choose = (at = mirror()) => canaries.find(at, CONFIG, NEVER);
  const find = async (at = mirror()) => {
    const found = await choose(at);
    return found === "unknown" ? found : (found?.repository ?? null);
  };
  const learn = async (isHeld: boolean, at = mirror()) => canaries.learn(at, (await choose(at)) as Canary, { isHeld });
  return { state, mirror, find, learn, choose };
}

test("Canaries.find() takes the operator's image, and then does not ask the node", async () => {
  const { state, mirror, find } = rig([image("gcr.io/a", 1)]);
  assert.equal(await find(mirror({ registry: null, repository: "mine", reference: "1" })), "mine");
  assert.equal(state.listed, 0);
});

test("Canaries.find() takes the node's smallest image that the mirror was not found to lack", async () => {
  const { mirror, find, learn } = rig([image("gcr.io/b", 2), image("gcr.io/a", 1), image("quay.io/x", 0)]);
  assert.equal(await find(), "a");
  for (const next of ["b", null]) {
    await learn(false);
    assert.equal(await find(), next);
  }
  assert.equal(await find(mirror(null, "https://other")), "a", "what one mirror lacks another may hold");
});

test("Canaries.find() stays with an image that the mirror holds, for as long as the node has it", async () => {
  const { state, find, learn } = rig([image("gcr.io/b", 2)]);
  await learn(true);
  state.images = [{ repoDigests: [`gcr.io/smaller@sha256:${"cd".repeat(32)}`], size: 1 }, image("gcr.io/b", 2)];
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "b");
  state.images = state.images.slice(0, 1);
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "smaller");
});

test("Canaries.find() asks the node every ten minutes, and soon again while it has no image of the mirror's registries", async () => {
  const { state, find } = rig([image("registry.k8s.io/pause", 1)]);
  const listedAfter = async (ms: number): Promise<number> => {
    state.nowMs += ms;
    await find();
    return state.listed;
  };
  assert.deepEqual([await listedAfter(0), await listedAfter(249), await listedAfter(1)], [1, 1, 2]);
  state.images = [image("gcr.io/a", 1)];
  assert.deepEqual([await listedAfter(MINUTE), await listedAfter(9 * MINUTE), await listedAfter(MINUTE)], [3, 3, 4]);
});

test("Canaries.find() comes to an image that the mirror holds, however many it lacks before", async () => {
  const names = Array.from({ length: 60 }, (_, index) => `image-${String(index).padStart(2, "0")}`);
  const { state, find, learn } = rig(names.map((name, index) => image(`gcr.io/${name}`, index)));
  const tried: unknown[] = [];
  for (let probe = 0; probe < 50; probe += 1) {
    tried.push(await find());
    await learn(false);
    state.nowMs += MINUTE / 2;
  }
  assert.deepEqual(tried, names.slice(0, 50));
  assert.equal(await find(), "image-50");
});

test("Canaries.find() begins anew with a mirror that lacks all there are, when the node is asked again", async () => {
  const { state, mirror, find, learn } = rig([image("gcr.io/a", 1)]);
  const other = mirror(null, "https://other");
  await learn(false);
  assert.equal(await find(), null);
  await learn(true, other);
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "a");
});

test("Canaries.find() forgets that a mirror lacks an image which has left the node", async () => {
  const { state, find, learn } = rig([image("gcr.io/a", 1), image("gcr.io/b", 2)]);
  await learn(false);
  state.images = [image("gcr.io/b", 2)];
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "b");
  state.images = [image("gcr.io/a", 1), image("gcr.io/b", 2)];
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "a");
});

test("Canaries.find() gives two mirrors that ask at once the answer that both wait for", async () => {
  const { state, mirror, find } = rig([image("gcr.io/a", 1)]);
  assert.deepEqual(await Promise.all([find(), find(mirror(null, "https://other"))]), ["a", "a"]);
  assert.equal(state.listed, 1);
});

test("Canaries.find() is not given up when another mirror's probe is, which asked first", async () => {
  const stop = new AbortController();
  const answer = Promise.withResolvers<NodeImage[]>();
  const canaries = new Canaries({
    listImages: (_, signal) =>
      Promise.race([answer.promise, once(signal, "abort").then(() => Promise.reject(signal.reason))]),
    nowMs: () => 0,
  });
  const mirror = { endpoint: "https://mirror", hosts: ["gcr.io"], probe: { image: null, maxLatencyMs: null } };
  const first = canaries.find(mirror, CONFIG, stop.signal);
  const second = canaries.find(mirror, CONFIG, NEVER);
  stop.abort();
  await assert.rejects(first, { name: "AbortError" });
  assert.equal(await second, "unknown");
});

test("Canaries.find() tells a node that cannot be asked from one without images, and asks soon again", async () => {
  const { state, find, choose } = rig(null);
  assert.equal(await find(), "unknown");
  state.images = [];
  state.nowMs += 250;
  assert.equal(await choose(), null);
});

test("Canaries.find() goes on with the images that the node had last while it cannot be asked", async () => {
  const { state, find } = rig([image("gcr.io/a", 1)]);
  assert.equal(await find(), "a");
  state.images = null;
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "a");
});
