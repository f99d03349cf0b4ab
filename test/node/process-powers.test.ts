import assert from "node:assert/strict";
import { test } from "node:test";
import { findAgentPid, maySeeDescriptors } from "../../src/node/process-powers.ts";
import { startDaemon } from "../lab/daemon.ts";
import { createWorkspace } from "../lab/workspace.ts";

const NOBODY = 2 ** 22 + 1; // above the largest pid there is
const skip = process.getuid?.() === 0 ? false : "needs root";

test("maySeeDescriptors() tells a service's capabilities from a shell's", { skip }, async () => {
  await using workspace = await createWorkspace();
  const start = async (lost: string): Promise<number> => {
    const daemon = await startDaemon(["setpriv", "--bounding-set", lost, "sh", "-c", "echo up; exec sleep 60"]);
    workspace.onEnd(() => daemon.kill());
    await daemon.waitForLine((line) => line === "up");
    return daemon.pid;
  };
  assert.equal(await maySeeDescriptors(await start("-sys_boot")), true);
  assert.equal(await maySeeDescriptors(await start("-net_admin")), true);
  assert.equal(await maySeeDescriptors(await start("-sys_ptrace")), false);
  assert.equal(await maySeeDescriptors(NOBODY), null);
});

test("findAgentPid() finds the daemon that runs, and no other program that has its number since", async () => {
  await using workspace = await createWorkspace();
  const daemon = await startDaemon([
    process.execPath,
    "--eval",
    "console.log('up'); setInterval(() => {}, 1e6)",
    "run",
  ]);
  workspace.onEnd(() => daemon.kill());
  await daemon.waitForLine((line) => line === "up");
  const find = async (text: string): Promise<number | null> => findAgentPid(await workspace.file("run.lock", text));
  assert.equal(await find(`mirror-agent run, pid ${daemon.pid}\n`), daemon.pid);
  assert.equal(await find(`mirror-agent run, pid ${process.pid}\n`), null);
  assert.equal(await find(`mirror-agent apply, pid ${daemon.pid}\n`), null);
  assert.equal(await find(`mirror-agent run, pid ${NOBODY}\n`), null);
  assert.equal(await findAgentPid("/nonexistent/run.lock"), null);
});
