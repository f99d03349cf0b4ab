// The promises that hold whatever the config says, over generated configs: nothing on the second pass, nothing
// half-done after a crash at any effect, nothing of others touched, nothing changed by a config that is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CERTS_DIR, MemoryNode, PowerCut } from "./memory-node.ts";

const CONFIGS: Record<string, string> = {
  "one mirror": "registryMirrors:\n  - endpoint: https://mirror:5000\n",
  "several mirrors, registries and namespaces": `registryMirrors:
  - endpoint: https://mirror:5000/v2/team-a
    hosts: [gcr.io, docker.io, "registry.corp:5000"]
  - endpoint: https://mirror:5000/v2/team-b
    hosts: [docker.io]
  - endpoint: http://[::1]:5001
    hosts: ["*"]
`,
  "no failover": 'registryMirrors:\n  - endpoint: https://a\n    hosts: ["*"]\nagent: { failover: never }\n',
  nothing: "",
};

const foreign = { text: 'server = "https://theirs"\n', mode: 0o640 };
const FOREIGN = `${CERTS_DIR}/theirs.example/hosts.toml`;
const TAKEN_OVER = `${CERTS_DIR}/gcr.io/hosts.toml`;

function nodeWith(config: string): MemoryNode {
  const node = new MemoryNode(config);
  node.files.set(FOREIGN, foreign);
  node.files.set(TAKEN_OVER, foreign);
  return node;
}

const snapshot = (node: MemoryNode) => JSON.stringify([[...node.files].sort(), [...node.backups].sort()]);

for (const [name, config] of Object.entries(CONFIGS)) {
  test(`Agent.pass() does nothing a second time, with ${name}`, async () => {
    const node = nodeWith(config);
    const agent = node.start();
    await agent.pass();
    const done = node.performed.length;
    await agent.pass();
    await node.start().pass();
    assert.equal(node.performed.length, done);
  });

  test(`Agent.pass() comes to the same end after a crash at any effect, with ${name}`, async () => {
    const reference = nodeWith(config);
    await reference.start().pass();
    for (let effects = 0; ; effects++) {
      const node = nodeWith(config);
      node.effectsLeft = effects;
      const crashed = await node
        .start()
        .pass()
        .then(
          () => false,
          (error) => error instanceof PowerCut || Promise.reject(error),
        );
      node.effectsLeft = Number.POSITIVE_INFINITY;
      await node.start().pass();
      assert.equal(snapshot(node), snapshot(reference), `crashed at effect ${effects}`);
      if (!crashed) break;
    }
  });

  test(`Agent.pass() leaves what is not ours as it is, and puts it back when it is not needed, with ${name}`, async () => {
    const node = nodeWith(config);
    await node.start().pass();
    assert.deepEqual(node.files.get(FOREIGN), foreign);
    node.configText = "";
    await node.start().pass();
    assert.deepEqual(
      [...node.files].sort(),
      [
        [TAKEN_OVER, foreign],
        [FOREIGN, foreign],
      ].sort(),
    );
  });

  test(`Agent.pass() changes nothing for a config that is wrong, with ${name} in force before`, async () => {
    const node = nodeWith(config);
    const agent = node.start();
    await agent.pass();
    const before = snapshot(node);
    node.configText = "registryMirrors: [{ endpint: 1 }]";
    await agent.pass();
    await agent.pass();
    assert.equal(snapshot(node), before);
    assert.deepEqual(node.eventKinds().filter((kind) => kind === "configRejected").length, 1, "said once");
    const restarted = node.start();
    await restarted.pass();
    assert.equal(snapshot(node), before);
    assert.equal(restarted.view.inForce?.text, config, "the last good one is in force after a restart");
  });
}

test("Agent.pass() repairs drift, says so, and gives up a file that is changed back again and again", async () => {
  const node = new MemoryNode(CONFIGS["one mirror"] as string);
  const agent = node.start();
  await agent.pass();
  const ours = node.hostsToml("gcr.io");
  node.events.length = 0;
  for (let round = 0; round < 15; round++) {
    node.files.set(TAKEN_OVER, { text: "theirs", mode: 0o644 });
    node.nowMs += 1000;
    await agent.pass();
    assert.equal(node.hostsToml("gcr.io"), round < 10 ? ours : "theirs");
  }
  const kinds = node.eventKinds();
  assert.deepEqual([kinds.filter((kind) => kind === "driftRepaired").length, kinds.at(-1)], [10, "fightStopped"]);
  agent.forgetFights();
  await agent.pass();
  assert.equal(node.hostsToml("gcr.io"), ours);
});
