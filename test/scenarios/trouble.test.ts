// What a node may be like when it boots: its disk is full, its clock is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describeEvent } from "../../src/report/events.ts";
import { MemoryNode } from "./memory-node.ts";

const CONFIG = "registryMirrors:\n  - endpoint: https://mirror:5000\n";
const MIRROR = "https://mirror:5000";
const UPSTREAM = "https://gcr.io";
const NOW = Date.parse("2026-01-01T03:00:00Z");

test("Agent.pass() fails over though nothing can be remembered, says so, and remembers it as soon as it can", async () => {
  const node = new MemoryNode(CONFIG);
  node.isStateFull = true;
  const agent = node.start();
  await assert.rejects(agent.pass(), /ENOSPC/);
  assert.equal(node.eventKinds().filter((kind) => kind === "configApplied").length, 1);
  fall(node, agent);
  await assert.rejects(agent.pass(), /ENOSPC/);
  assert.match(node.hostsToml("gcr.io") ?? "", /^server = "https:\/\/gcr\.io"$/m);
  assert.doesNotMatch(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
  await assert.rejects(agent.pass(), /ENOSPC/, "for as long as it is owed");
  assert.equal(node.eventKinds().filter((kind) => kind === "endpointChanged").length, 1, "told once");

  node.isStateFull = false;
  await agent.pass();
  assert.equal(node.lastGood?.text, CONFIG);
  assert.deepEqual(Object.values(node.known.out), [[`mirror ${MIRROR}`]]);
});

test("Agent counts how long a mirror was down by the time that passed, however the clock is set", async () => {
  for (const [before, after] of [
    [0, NOW],
    [Date.parse("2099-01-01T00:00:00Z"), NOW],
  ] as const) {
    const node = new MemoryNode(CONFIG);
    node.nowMs = before;
    const agent = node.start();
    await agent.pass();
    node.probe(agent, MIRROR, null);
    await agent.pass();
    fall(node, agent);
    await agent.pass();
    node.nowMs += 60_000;
    node.setClock(after);
    node.nowMs += 60_000;
    for (const _ of [1, 2]) node.probe(agent, MIRROR, null);
    await agent.pass();
    const told = node.events.map((event) => describeEvent(event).message).at(-1);
    assert.match(told ?? "", /is up again after 2 m down/);
    assert.equal(node.view?.health.recent[0]?.atMs, node.nowMs);
  }
});

test("Agent that boots in 1970 believes in no time to come", async () => {
  const node = new MemoryNode(CONFIG);
  const first = node.start();
  await first.pass();
  node.probe(first, MIRROR, null);
  fall(node, first);
  await first.pass();

  node.nowMs = 0;
  const second = node.start();
  await second.pass();
  node.setClock(NOW + 3_600_000);
  node.nowMs += 5000;
  for (const _ of [1, 2]) node.probe(second, MIRROR, null);
  await second.pass();
  const told = node.events.map((event) => describeEvent(event).message).at(-1);
  assert.match(told ?? "", /is up again after 5 s down/);
});

function fall(node: MemoryNode, agent: ReturnType<MemoryNode["start"]>): void {
  node.probe(agent, MIRROR, "response-timeout");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "response-timeout");
}
