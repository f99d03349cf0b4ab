// restore as a process, on a node where no containerd runs.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { runCommand } from "./run-command.ts";

const CONFIG = "registryMirrors:\n  - endpoint: https://172.18.0.20:5000\n    hosts: [gcr.io]\n";

const everything = async ({ dir }: Workspace): Promise<string[]> =>
  (await readdir(`${dir}/root`, { recursive: true })).sort();

for (const [name, before] of [
  ["where containerd has no folder yet", []],
  ["where containerd's folder is there, and empty", ["etc/containerd"]],
  ["where certs.d is there, and empty", ["etc/containerd/certs.d"]],
  ["where somebody's own registry is there", ["etc/containerd/certs.d/registry.corp"]],
] as const) {
  test(`restore leaves nothing of an apply behind ${name}`, async () => {
    await using workspace = await createWorkspace();
    await workspace.file("root/etc/mirror-agent/config.yaml", CONFIG);
    for (const folder of [...before, "run", "var/lib"]) await workspace.folder(`root/${folder}`);
    const was = await everything(workspace);
    const root = `${workspace.dir}/root`;
    await runCommand(["--root", root, "apply"]);
    assert.ok((await everything(workspace)).includes("etc/containerd/certs.d/gcr.io/hosts.toml"));
    const { code, stderr } = await runCommand(["--root", root, "restore"]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await everything(workspace), was);
  });
}
