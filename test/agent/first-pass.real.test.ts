// A daemon whose first pass takes longer than systemd waits.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent } from "../lab/agent.ts";
import { startDaemon } from "../lab/daemon.ts";
import { startNotifyReceiver } from "../lab/notify-receiver.ts";
import { createWorkspace } from "../lab/workspace.ts";

const CONFIG = 'registryMirrors: [{ endpoint: "http://127.0.0.1:1", hosts: [gcr.io] }]\n';

test("run tells systemd READY in time for TimeoutStartSec=, also while the first pass waits for another writer", async () => {
  await using workspace = await createWorkspace();
  const root = await workspace.folder("root");
  const lock = join(await workspace.folder("root/run/mirror-agent"), "pass.lock");
  const writer = await startDaemon(["flock", "--no-fork", lock, "sh", "-c", "echo locked; exec sleep infinity"]);
  workspace.onEnd(() => writer.kill());
  await writer.waitForLine((line) => line === "locked");
  const systemd = await startNotifyReceiver(workspace);
  const agent = await startAgent(workspace, { root, config: CONFIG, env: { NOTIFY_SOCKET: systemd.path } });
  await systemd.until(/^READY=1/, { timeoutMs: 20_000 });
  await writer.kill();
  const { routes } = await agent.untilStatus(({ config }) => config.state === "applied");
  assert.equal(routes.length, 1);
});
