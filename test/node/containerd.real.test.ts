// What is observed of a real containerd.

import assert from "node:assert/strict";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { renderContainerdVersion } from "../../src/core/containerd-config/versions.ts";
import { observeContainerd } from "../../src/node/containerd.ts";
import { startContainerd } from "../lab/containerd.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";

const skip = labMissing();
const signal = new AbortController().signal;
const RELEASES = { "1.6": "1.6.20", "1.7": "1.7.24", "2.1": "2.1.9" } as const;

for (const version of CONTAINERD_VERSIONS) {
  test(`observeContainerd() ${version} tells the daemon, its program, its configuration and when they changed`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const containerd = await startContainerd(workspace, { version });
    // Its configuration was written a moment before its first start: the two clocks differ by more.
    await containerd.restart();
    const places = { socket: containerd.socket, configPath: null, binary: null };
    const first = await observeContainerd(places, signal);
    assert.deepEqual([first.daemon?.pid, first.binary, first.managedBy], [containerd.pid, containerd.binary, null]);
    assert.deepEqual([first.config?.rootPath, first.config?.configPath], [containerd.configPath, containerd.certsDir]);
    assert.equal(first.version && renderContainerdVersion(first.version), RELEASES[version]);
    assert.deepEqual(first.daemon?.version, first.version);
    assert.equal(first.daemon?.criProblem, null);
    assert.ok((first.configChangedAtMs ?? 0) < (first.daemon?.startedAtMs ?? 0), "written before the start");

    await utimes(containerd.configPath, 1, 1);
    const touched = await observeContainerd(places, signal);
    assert.ok((touched.configChangedAtMs ?? 0) > (touched.daemon?.startedAtMs ?? 0), "changed after the start");

    await containerd.restart();
    const second = await observeContainerd(places, signal);
    assert.notEqual(second.daemon?.identity, first.daemon?.identity);

    await containerd.stop();
    const stopped = await observeContainerd(
      { ...places, binary: containerd.binary, configPath: containerd.configPath },
      signal,
    );
    assert.deepEqual([stopped.daemon, stopped.config?.configPath], [null, containerd.certsDir]);
  });

  test(`observeContainerd() ${version} sees a CRI plugin that has not loaded, while the daemon runs`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const mirrors = '  mirrors."x".endpoint = ["http://x"]\n  config_path = "/x"\n';
    const configToml = `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n${mirrors}`;
    const containerd = await startContainerd(workspace, { version, configToml, waitForCri: false });
    const { daemon, config } = await observeContainerd(
      { socket: containerd.socket, configPath: null, binary: null },
      signal,
    );
    assert.match(daemon?.criProblem ?? "", /its CRI plugin is not loaded/);
    assert.match(config?.problems[0]?.message ?? "", /^sets registry\.mirrors beside config_path/);
  });
}

test("observeContainerd() recognises k3s and RKE2 by where they keep things", { skip }, async () => {
  await using workspace = await createWorkspace();
  const binary = (await startContainerd(workspace, { version: "1.7" })).binary;
  for (const by of ["k3s", "rke2"] as const) {
    const configPath = join(workspace.dir, `var/lib/rancher/${by}/agent/etc/containerd/config.toml`);
    await workspace.file(configPath.slice(workspace.dir.length + 1), "");
    await writeFile(configPath, "version = 2\n");
    const { managedBy } = await observeContainerd(
      { socket: "/run/k3s/containerd/containerd.sock", configPath, binary },
      signal,
    );
    assert.equal(managedBy, by);
  }
});
