// A daemon whose first pass hangs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent } from "../lab/agent.ts";
import { startNotifyReceiver } from "../lab/notify-receiver.ts";
import { createWorkspace } from "../lab/workspace.ts";

test("run tells systemd READY in time for TimeoutStartSec=, also while the first pass hangs", async () => {
  await using workspace = await createWorkspace();
  const root = await workspace.folder("root");
  await mkdir(join(root, "etc/mirror-agent"), { recursive: true });
  execFileSync("mkfifo", [join(root, "etc/mirror-agent/config.yaml")]); // nobody writes to it
  const systemd = await startNotifyReceiver(workspace);
  await startAgent(workspace, { root, config: null, env: { NOTIFY_SOCKET: systemd.path } });
  assert.match(await systemd.until(/^READY=1/, { timeoutMs: 18_000 }), /STATUS=no mirrors/);
});
