// The life of the daemon as a process: its starts and ends, and what it does as mirrors come and go.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { startNotifyReceiver } from "../lab/notify-receiver.ts";
import { quickest } from "../lab/quickest.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { hostsToml, makeNode, viaMirror, viaUpstream } from "./daemon-node.ts";

test("run tells systemd READY, STATUS and STOPPING", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const systemd = await startNotifyReceiver(workspace);
  const agent = await node.start({ env: { NOTIFY_SOCKET: systemd.path } });
  assert.match(
    await systemd.until(/^READY=1/),
    /STATUS=1 mirror unknown|STATUS=1 mirror up|STATUS=0 mirrors up, 1 unknown/,
  );
  await systemd.until(/STATUS=1 mirror up/);
  agent.signal("SIGTERM");
  await agent.waitForLine((line) => line.startsWith("Stopping"));
  assert.equal(await agent.ended, 0);
  await systemd.until(/STOPPING=1/);
  assert.ok(agent.lines.includes("Stopping: asked to; pulls go on with the routes as they are"));
  assert.match((await node.hosts(viaMirror)) ?? "", viaMirror);
});

test("run ends within a second of SIGTERM", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const endMs = await quickest(1000, async () => {
    const agent = await node.start();
    await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
    const askedAtMs = performance.now();
    agent.signal("SIGTERM");
    assert.equal(await agent.ended, 0);
    return performance.now() - askedAtMs;
  });
  assert.ok(endMs < 1000, `took ${endMs} ms`);
});

test("run fails over, says where pulls go, and back", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const agent = await node.start();
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  await node.mirror.become("silent");
  await node.hosts(viaUpstream);
  // It also tries what it can do for pulls that hang, beside all else.
  const down = await agent.untilStatus(({ routes, freeing }) => routes[0]?.failedOver === true && Boolean(freeing));
  assert.deepEqual([down.endpoints[0]?.state, down.endpoints[0]?.reason], ["down", "response-timeout"]);
  await agent.waitForLine((line) => /is down: response-timeout .*pulls of gcr\.io go to the upstream http/.test(line));
  await node.mirror.become("healthy");
  await node.hosts(viaMirror);
  await agent.waitForLine((line) => /is up again after .* down; pulls of gcr\.io go to http/.test(line));
});

test("run keeps a mirror out that it knew to be down when it is killed and started again", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const first = await node.start();
  await first.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  await node.mirror.become("silent");
  const failedOver = await node.hosts(viaUpstream);
  await first.kill();
  assert.equal(await node.hosts(viaUpstream), failedOver, "killing it changes nothing");
  const second = await node.start({ config: null });
  await second.untilStatus(({ config }) => config.state === "applied");
  assert.equal(await readFile(hostsToml(node.root, "gcr.io"), "utf8"), failedOver);
});

test("a second run ends at once and says who is there", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const first = await node.start();
  await node.hosts(viaMirror);
  const second = await node.start({ config: null });
  assert.equal(await second.ended, 1);
  assert.match(second.lines.join("\n"), new RegExp(`mirror-agent run, pid ${first.pid}`));
});
