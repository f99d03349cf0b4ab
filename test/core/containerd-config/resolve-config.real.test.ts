// The rules of resolve-config.ts, asked of the real binaries: what `config dump` prints is what they load.

import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { test } from "node:test";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";
import { valueAt } from "../../../src/core/containerd-config/toml-text.ts";
import { dumpCandidate, dumpConfig, readBinaryVersion } from "../../../src/node/containerd-binary.ts";
import { readConfigFiles } from "../../../src/node/containerd-files.ts";
import { CONTAINERD_VERSIONS, type ContainerdVersion, containerdFolder, labMissing } from "../../lab/parts.ts";
import { createWorkspace } from "../../lab/workspace.ts";
import { MERGES, type MergeCase } from "./merge-cases.ts";

const skip = labMissing();
const signal = new AbortController().signal;

function dumped(version: ContainerdVersion, dump: unknown): unknown {
  const plugin = version === "2.1" ? "io.containerd.cri.v1.images" : "io.containerd.grpc.v1.cri";
  return valueAt(dump, ["plugins", plugin, "registry", "config_path"]);
}

for (const version of CONTAINERD_VERSIONS) {
  test(`resolveConfig() agrees with containerd ${version} on every case, in place and laid out for a trial`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const binary = join(containerdFolder(version), "containerd");
    const release = await readBinaryVersion(binary, signal);
    for (const [index, { name, texts, want }] of MERGES.entries()) {
      const root = await layOut(workspace, `case-${index}`, texts);
      const options = { workingFolder: workspace.dir, folder: workspace.dir, signal };
      if (want[version] === null) {
        await assert.rejects(dumpConfig(binary, root, options), { name: "ContainerdBinaryError" }, name);
        continue;
      }
      const files = await readConfigFiles(root, { version: release, workingFolder: workspace.dir });
      const { configPath } = resolveConfig(files, release);
      assert.equal(dumped(version, await dumpConfig(binary, root, options)), configPath, name);
      assert.equal(dumped(version, await dumpCandidate(binary, files, options)), configPath, `${name}, laid out`);
      assert.equal(configPath, want[version], name);
    }
  });
}

async function layOut(
  workspace: Awaited<ReturnType<typeof createWorkspace>>,
  name: string,
  [root = "", ...dropIns]: MergeCase["texts"],
): Promise<string> {
  for (const [index, text] of dropIns.entries()) await workspace.file(`${name}/conf.d/${"ab"[index]}.toml`, text);
  // 1.6 searches a relative glob in the working folder.
  const imports = `imports = ["${join(workspace.dir, name, "conf.d/*.toml")}"]\n`;
  return workspace.file(relative(workspace.dir, join(workspace.dir, name, "root.toml")), imports + root);
}
