// containerd's own configuration taken over by the commands and by the daemon, as processes, on real containerds:
// what plan says, what is done, what a pull then goes through, and that restore leaves nothing of it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startAgent } from "../lab/agent.ts";
import { buildImage } from "../lab/image.ts";
import { CONTAINERD_VERSIONS, type ContainerdVersion, labMissing } from "../lab/parts.ts";
import { pushImage } from "../lab/push-image.ts";
import { type Registry, startRegistry } from "../lab/registry.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { type SupervisedContainerd, startSupervised } from "../node/supervised-containerd.ts";

const skip = labMissing();
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const IMAGE = "gcr.io/lab/hello:1.0";
const BARE = `# ours\nversion = 2\n\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause" # kept\n`;

interface Node {
  readonly workspace: Workspace;
  readonly containerd: SupervisedContainerd;
  readonly mirror: Registry;
}

async function makeNode(workspace: Workspace, version: ContainerdVersion, configToml: string | null): Promise<Node> {
  const mirror = await startRegistry(workspace, "mirror");
  await pushImage(buildImage({ layerSizes: [1000] }), { url: mirror.url, repository: "lab/hello", tag: "1.0" });
  const config = configToml === null ? null : () => configToml;
  const containerd = await startSupervised(workspace, { version, configToml: config });
  await mkdir(join(containerd.dir, "etc/mirror-agent"), { recursive: true });
  return { workspace, containerd, mirror };
}

function configOf({ containerd, mirror }: Node, { restart = "when-needed", more = "" } = {}): string {
  const command = JSON.stringify(containerd.restartCommand);
  const upstream = `  upstreams: { gcr.io: { endpoint: "http://127.0.0.1:9" } }\n`;
  const probe = "  probe: { interval: 1s, timeout: 500ms }\n";
  const settings = `  containerd: { restart: ${restart}, restartCommand: ${command} }\n`;
  return `registryMirrors:\n  - { endpoint: "${mirror.url}", hosts: [gcr.io] }\n${more}agent:\n${probe}${upstream}${settings}`;
}

async function configure(node: Node, options?: Parameters<typeof configOf>[1]): Promise<void> {
  await writeFile(join(node.containerd.dir, "etc/mirror-agent/config.yaml"), configOf(node, options));
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run({ containerd }: Pick<Node, "containerd">, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "--root", containerd.dir, ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

async function assertPullsThrough({ containerd, mirror }: Node): Promise<void> {
  const before = (await mirror.requests()).length;
  await containerd.cri.pullImage(IMAGE, { timeoutMs: 20_000 });
  const seen = (await mirror.requests()).slice(before);
  assert.ok(seen.some(({ path, userAgent }) => path.includes("ns=gcr.io") && userAgent.startsWith("containerd/")));
  await containerd.cri.removeImage(IMAGE);
}

/** Every file under etc/containerd and in the agent's state. */
async function filesOf({ containerd }: Node): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const folder of ["etc/containerd", "var/lib/mirror-agent"]) {
    const base = join(containerd.dir, folder);
    const names = await readdir(base, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of names.filter((name) => name.isFile())) {
      const path = join(entry.parentPath, entry.name);
      files[path.slice(containerd.dir.length + 1)] = await readFile(path, "utf8");
    }
  }
  return files;
}

for (const version of CONTAINERD_VERSIONS) {
  test(`apply takes containerd ${version} over as plan says, and restore takes all of it back`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const node = await makeNode(workspace, version, BARE);
    const { containerd } = node;
    await configure(node);
    const before = await filesOf(node);

    const planned = await run(node, "plan", "--exit-code");
    assert.equal(planned.code, 1, planned.stderr);
    assert.match(planned.stdout, new RegExp(`^\\+ *config_path = "${containerd.certsDir}"$`, "m"));
    assert.match(
      planned.stdout,
      /^Restart containerd: config_path is not set; containerd reads it only when it starts$/m,
    );
    assert.deepEqual(await filesOf(node), before, "plan changes nothing");

    const applied = await run(node, "apply");
    assert.equal(applied.code, 0, applied.stderr);
    assert.match(applied.stdout, /containerd reads the routes: set config_path in \S+, containerd was restarted/);
    assert.equal(await containerd.starts(), 2);
    await assertPullsThrough(node);

    const settled = await filesOf(node);
    assert.deepEqual(await run(node, "apply"), { code: 0, stdout: "Nothing to change\n", stderr: "" });
    assert.equal((await run(node, "plan", "--exit-code")).stdout, "Nothing to change\n");
    assert.deepEqual(await filesOf(node), settled);

    const restored = await run(node, "restore");
    assert.equal(restored.code, 0, restored.stderr);
    assert.deepEqual(await filesOf(node), before);
    assert.equal(await containerd.starts(), 3);
    assert.deepEqual(await run(node, "restore"), { code: 0, stdout: "Nothing to restore\n", stderr: "" });
    assert.equal(await containerd.starts(), 3);
  });

  test(`run takes containerd ${version} over once, and a hundred changes of the config restart nothing`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const node = await makeNode(workspace, version, BARE);
    const { containerd, mirror } = node;
    const agent = await startAgent(workspace, { root: containerd.dir, config: configOf(node) });
    await agent.untilStatus((status) => status.containerd.inEffect && status.endpoints[0]?.state === "up");
    await assertPullsThrough(node);
    assert.equal(await containerd.starts(), 2);
    const lines = agent.lines.filter((line) => line.includes("containerd reads the routes"));
    assert.equal(lines.length, 1, agent.lines.join("\n"));
    assert.ok((await agent.status())?.containerd.lastRestartAt);

    for (let change = 0; change < 100; change++) {
      const other = `  - { endpoint: "http://127.0.0.1:${20_000 + change}", hosts: [gcr.io, r${change}.test] }\n`;
      await agent.configure(configOf(node, { more: change % 2 === 0 ? other : "" }));
      const wanted = change % 2 === 0 ? 2 : 1;
      await agent.untilStatus(({ routes }) => routes.length === wanted);
    }
    assert.equal(await containerd.starts(), 2);
    assert.ok(mirror.url);
    agent.signal("SIGTERM");
    assert.equal(await agent.ended, 0);
  });
}
