import assert from "node:assert/strict";
import { test } from "node:test";
import { Canaries } from "../../src/agent/canaries.ts";
import type { NodeImage } from "../../src/core/canary.ts";
import type { ProbeImage } from "../../src/core/mirror-config.ts";
import { config } from "../core/samples.ts";

const NEVER = new AbortController().signal;
const CONFIG = config();
const MINUTE = 60_000;

function image(name: string, size: number): NodeImage {
  return { repoDigests: [`${name}@sha256:${"ab".repeat(32)}`], size };
}

function rig(images: readonly NodeImage[]) {
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
  const find = async (at = mirror()) => (await canaries.find(at, CONFIG, NEVER))?.repository ?? null;
  return { canaries, state, mirror, find };
}

test("Canaries.find() takes the operator's image, and then does not ask the node", async () => {
  const { state, mirror, find } = rig([image("gcr.io/a", 1)]);
  assert.equal(await find(mirror({ registry: null, repository: "mine", reference: "1" })), "mine");
  assert.equal(state.listed, 0);
});

test("Canaries.find() takes the node's smallest image that the mirror was not found to lack", async () => {
  const { canaries, mirror, find } = rig([image("gcr.io/b", 2), image("gcr.io/a", 1), image("quay.io/x", 0)]);
  assert.equal(await find(), "a");
  for (const next of ["b", null]) {
    const canary = await canaries.find(mirror(), CONFIG, NEVER);
    assert.ok(canary);
    canaries.learn(mirror(), canary, { isHeld: false });
    assert.equal(await find(), next);
  }
  assert.equal(await find(mirror(null, "https://other")), "a", "what one mirror lacks another may hold");
});

test("Canaries.find() stays with an image that the mirror holds, for as long as the node has it", async () => {
  const { canaries, state, mirror, find } = rig([image("gcr.io/b", 2)]);
  const canary = await canaries.find(mirror(), CONFIG, NEVER);
  assert.ok(canary);
  canaries.learn(mirror(), canary, { isHeld: true });
  state.images = [{ repoDigests: [`gcr.io/smaller@sha256:${"cd".repeat(32)}`], size: 1 }, image("gcr.io/b", 2)];
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "b");
  state.images = state.images.slice(0, 1);
  state.nowMs += 11 * MINUTE;
  assert.equal(await find(), "smaller");
});

test("Canaries.find() asks the node every ten minutes, and every two seconds while it has no image", async () => {
  const { state, find } = rig([]);
  const listedAfter = async (ms: number): Promise<number> => {
    state.nowMs += ms;
    await find();
    return state.listed;
  };
  assert.deepEqual([await listedAfter(0), await listedAfter(1999), await listedAfter(1)], [1, 1, 2]);
  state.images = [image("gcr.io/a", 1)];
  assert.deepEqual([await listedAfter(MINUTE), await listedAfter(9 * MINUTE), await listedAfter(MINUTE)], [3, 3, 4]);
});
