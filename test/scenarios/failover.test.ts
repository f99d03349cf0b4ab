// What the agent does as mirrors come and go, on a node in memory with a clock that is set.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryNode } from "./memory-node.ts";

const CONFIG = "registryMirrors:\n  - endpoint: https://mirror:5000\n";
const TWO = `${CONFIG}  - endpoint: https://second:5000\n`;
const MIRROR = "https://mirror:5000";
const SECOND = "https://second:5000";
const UPSTREAM = "https://gcr.io";

async function settled(config: string, urls: readonly string[]) {
  const node = new MemoryNode(config);
  const agent = node.start();
  await agent.pass();
  for (const url of urls) node.probe(agent, url, null);
  await agent.pass();
  node.events.length = 0;
  return { node, agent };
}

test("Agent.pass() writes the mirror, then the upstream in its place when it is down, and the mirror again", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  assert.match(node.hostsToml("gcr.io") ?? "", /\[host\."https:\/\/mirror:5000"\]/);

  node.probe(agent, MIRROR, "response-timeout");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "response-timeout");
  await agent.pass();
  assert.doesNotMatch(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
  assert.match(node.hostsToml("gcr.io") ?? "", /^server = "https:\/\/gcr\.io"$/m);

  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, null);
  await agent.pass();
  assert.match(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
});

test("Agent.onProbe() asks for a pass only when a state changed", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  const before = node.passesAsked;
  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, "refused");
  assert.equal(node.passesAsked, before);
  node.probe(agent, MIRROR, "refused");
  assert.equal(node.passesAsked, before + 1);
});

test("Agent.onProbe() publishes news at once, and what differs in measurements alone every 15 s", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  const published = (reason: "refused" | null): boolean => {
    node.view = null;
    node.probe(agent, MIRROR, reason);
    return node.view !== null;
  };
  assert.equal(published(null), false);
  node.nowMs += 15_000;
  assert.equal(published(null), true);
  assert.equal(published(null), false);
  assert.equal(published("refused"), true);
});

test("Agent probes the upstream from the first doubt about a mirror until it is well again", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  const followed = () => node.following.endpoints.map(({ url }) => url);
  assert.deepEqual(followed(), [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  assert.deepEqual(followed(), [MIRROR, UPSTREAM]);
  node.probe(agent, MIRROR, null);
  assert.deepEqual(followed(), [MIRROR]);
});

test("Agent probes the upstream for five minutes after a pull was seen to hang at a mirror that answers", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  const followed = () => node.following.endpoints.map(({ url }) => url);
  for (const mirror of node.following.endpoints) agent.proveOtherWay(mirror);
  assert.deepEqual(followed(), [MIRROR, UPSTREAM]);
  node.nowMs += 299_999;
  await agent.pass();
  assert.deepEqual(followed(), [MIRROR, UPSTREAM]);
  node.nowMs += 1;
  await agent.pass();
  assert.deepEqual(followed(), [MIRROR]);
});

test("Agent never follows an upstream that may not be contacted", async () => {
  const { node, agent } = await settled(`${CONFIG}agent: { failover: never }\n`, [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  assert.deepEqual(
    node.following.endpoints.map(({ url }) => url),
    [MIRROR],
  );
  assert.match(node.hostsToml("gcr.io") ?? "", /^server = "https:\/\/mirror:5000"$/m);
});

for (const [name, config] of [
  ["the operator forbids the upstream while the mirror is left out", CONFIG],
  ["the only mirror that was up leaves the config", TWO],
] as const) {
  test(`Agent.pass() writes a mirror that is down rather than nothing, when ${name}`, async () => {
    const urls = config === TWO ? [MIRROR, SECOND] : [MIRROR];
    const { node, agent } = await settled(config === TWO ? `${TWO}agent: { failover: never }\n` : CONFIG, urls);
    node.probe(agent, MIRROR, "refused");
    node.probe(agent, UPSTREAM, null);
    node.probe(agent, MIRROR, "refused");
    await agent.pass();
    assert.doesNotMatch(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
    node.configText = `${CONFIG}agent: { failover: never }\n`;
    await agent.pass();
    await agent.pass();
    assert.match(node.hostsToml("gcr.io") ?? "", /^server = "https:\/\/mirror:5000"$/m);
  });
}

test("Agent.pass() keeps every byte when mirror and upstream are both dead", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  const before = node.hostsToml("gcr.io");
  for (let round = 0; round < 3; round++) {
    node.probe(agent, MIRROR, "connect-timeout");
    node.probe(agent, UPSTREAM, "connect-timeout");
    await agent.pass();
  }
  assert.equal(node.hostsToml("gcr.io"), before);
});

test("Agent.pass() does not take an upstream's old health for a proof", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, null);
  const before = node.hostsToml("gcr.io");
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  assert.equal(node.hostsToml("gcr.io"), before, "the upstream was not probed since");
  node.probe(agent, UPSTREAM, null);
  await agent.pass();
  assert.doesNotMatch(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
});

test("Agent.pass() leaves the order of the other mirrors as it is", async () => {
  const { node, agent } = await settled(TWO, [MIRROR, SECOND]);
  const hosts = () => [...(node.hostsToml("gcr.io") ?? "").matchAll(/^\[host\."(.*)"\]$/gm)].map((match) => match[1]);
  assert.deepEqual(hosts(), [MIRROR, SECOND]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  assert.deepEqual(hosts(), [SECOND]);
  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, null);
  await agent.pass();
  assert.deepEqual(hosts(), [MIRROR, SECOND]);
});

test("Agent does not hand pulls back to a mirror it knew to be down when it is started again", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.probe(agent, MIRROR, "response-timeout");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "response-timeout");
  await agent.pass();
  const failedOver = node.hostsToml("gcr.io");
  await node.start().pass();
  assert.equal(node.hostsToml("gcr.io"), failedOver);
});

test("Agent holds a mirror down that relapsed, also when it was not running for as long as the hold-down lasts", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  const fall = (): void => {
    node.probe(agent, MIRROR, "refused");
    node.probe(agent, UPSTREAM, null);
    node.probe(agent, MIRROR, "refused");
  };
  fall();
  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, null);
  fall();
  node.probe(agent, MIRROR, null);
  await agent.pass();
  node.nowMs += 10 * 60_000;
  const next = node.start();
  await next.pass();
  const state = () => node.view?.health.of({ role: "mirror", url: MIRROR } as never).state;
  const probeAfter = (ms: number): unknown => {
    node.nowMs += ms;
    node.probe(next, MIRROR, null);
    return state();
  };
  assert.deepEqual([0, 5000, 9999, 1].map(probeAfter), ["down", "down", "down", "up"]);
});

test("Agent tells each change once: the mirror that fell, and its coming back", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  assert.deepEqual(node.eventKinds(), ["endpointChanged"]);
  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, null);
  await agent.pass();
  await agent.pass();
  assert.deepEqual(node.eventKinds(), ["endpointChanged", "endpointChanged"]);
});

test("Agent.onProbe() gives a failover up to two seconds", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.random = () => 1;
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "refused");
  assert.equal(node.passWithinMs, 2000);
  await agent.pass();
  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, null);
  assert.equal(node.passWithinMs, 0);
});

test("Agent.isServedWithout() goes by what is known while pulls go past a mirror", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  const [mirror] = node.following.endpoints;
  assert.ok(mirror);
  assert.equal(agent.isServedWithout(mirror), true);
  node.probe(agent, UPSTREAM, "refused");
  node.probe(agent, UPSTREAM, "refused");
  assert.equal(agent.isServedWithout(mirror), false);
});

test("Agent goes on probing the upstream until pulls have left it", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  node.probe(agent, MIRROR, null);
  node.probe(agent, MIRROR, null);
  const followed = () => node.following.endpoints.map(({ url }) => url);
  assert.deepEqual(followed(), [MIRROR, UPSTREAM], "until the pass");
  await agent.pass();
  assert.deepEqual(followed(), [MIRROR]);
});

test("Agent fails over from a mirror that is slower than the operator allows, and back when it is quick again", async () => {
  const { node, agent } = await settled(`${CONFIG}    probe: { maxLatency: 100ms }\n`, [MIRROR]);
  const probeSlowly = (times: number, latencyMs: number): void => {
    for (let index = 0; index < times; index += 1) node.probe(agent, MIRROR, null, { latencyMs });
  };
  probeSlowly(4, 900);
  node.probe(agent, UPSTREAM, null);
  await agent.pass();
  assert.doesNotMatch(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
  assert.equal(node.view?.health.of({ role: "mirror", url: MIRROR } as never).reason, "slow");
  probeSlowly(4, 10);
  await agent.pass();
  assert.match(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
});

test("Agent remembers the last transitions with their durations, also when it is started again", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.nowMs += 60_000;
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  node.nowMs += 5_000;
  const again = node.start();
  await again.pass();
  node.probe(again, UPSTREAM, null);
  node.probe(again, MIRROR, null);
  node.probe(again, MIRROR, null);
  await again.pass();
  const mirror = { endpoint: MIRROR, role: "mirror" } as const;
  const expected = [
    { atMs: node.nowMs, ...mirror, from: "down", to: "up", reason: null, lastedMs: 5_000 },
    { atMs: node.nowMs - 5_000, ...mirror, from: "up", to: "down", reason: "refused", lastedMs: 60_000 },
  ];
  assert.deepEqual(node.view?.health.recent, expected);
  assert.deepEqual(node.known.recent, expected);
  const { recent: _, ...earlier } = node.known;
  node.known = earlier;
  await node.start().pass();
  assert.deepEqual(node.view?.health.recent, []);
});

test("Agent takes in health that was remembered by an earlier version", async () => {
  const { node, agent } = await settled(CONFIG, [MIRROR]);
  node.probe(agent, MIRROR, "refused");
  node.probe(agent, UPSTREAM, null);
  node.probe(agent, MIRROR, "refused");
  await agent.pass();
  const endpoints = Object.entries(node.known.endpoints).map(([key, { latenciesMs: _, ...rest }]) => [key, rest]);
  node.known = { ...node.known, endpoints: Object.fromEntries(endpoints) };
  const next = node.start();
  await next.pass();
  node.probe(next, MIRROR, null);
  node.probe(next, MIRROR, null);
  await next.pass();
  assert.match(node.hostsToml("gcr.io") ?? "", /mirror:5000/);
});
