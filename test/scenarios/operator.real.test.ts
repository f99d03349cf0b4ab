// `explain` and `doctor` as an operator runs them, on a node with a real containerd: they name what is wrong, show no
// secret, and need neither the agent nor a valid config.

import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Check } from "../../src/core/doctor/check.ts";
import type { Explanation } from "../../src/core/explain/explanation.ts";
import { runCommand } from "../commands/run-command.ts";
import { type Containerd, startContainerd } from "../lab/containerd.ts";
import { type Behaviour, type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { labMissing } from "../lab/parts.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const FILES = filesOf(buildImage({ layerSizes: [1000] }), "lab/hello", "1.0");
const OTHER_FILES = filesOf(buildImage({ seed: "other" }), "lab/hello", "1.0");

const run = ({ dir }: Containerd, ...args: readonly string[]) => runCommand(["--root", dir, ...args]);

async function serve(workspace: Workspace, behaviour: Behaviour, files = FILES): Promise<FaultyServer> {
  const server = await startFaultyServer({ source: { files }, behaviour });
  workspace.onEnd(() => server.close());
  return server;
}

test("explain shows whom containerd asks, what each says, and who serves; and never a header's value", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const containerd = await startContainerd(workspace, { version: "1.7" });
  const [mirror, upstream] = [await serve(workspace, "status-403"), await serve(workspace, "healthy", OTHER_FILES)];
  const header = `[host."${mirror.url}".header]\nAuthorization = "Basic c2VjcmV0OnNlY3JldA=="\nX-Api-Key = "s3cr3t"\n`;
  await containerd.writeHosts("gcr.io", `server = "${upstream.url}"\n[host."${mirror.url}"]\n${header}`);

  const text = await run(containerd, "explain", "gcr.io/lab/hello:1.0");
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, new RegExp(`A pull would be served by ${upstream.url}/v2`));
  assert.match(text.stdout, /HEAD +403 in/);
  assert.match(text.stdout, /credential +header Authorization \(Basic\), X-Api-Key in hosts\.toml/);
  assert.ok(mirror.requests.some(({ headers }) => headers["x-api-key"] === "s3cr3t"));
  assert.ok(upstream.requests.every(({ headers }) => headers["x-api-key"] === undefined));

  await mirror.become("healthy");
  const json = await run(containerd, "--output", "json", "explain", "gcr.io/lab/hello:1.0");
  const explanation = JSON.parse(json.stdout) as Explanation;
  assert.equal(explanation.digestsDiffer, true);
  assert.equal(explanation.forecast.kind === "served" && explanation.forecast.by, 0);
  assert.equal(explanation.hosts[0]?.url, `${mirror.url}/v2/lab/hello/manifests/1.0?ns=gcr.io`);

  await mirror.become("silent");
  const hung = await run(containerd, "explain", "gcr.io/lab/hello:1.0");
  assert.equal(hung.code, 1);
  assert.match(hung.stdout, /would hang at .* \(resolving the reference\), until containerd cancels it after 5 m/);

  for (const { stdout, stderr } of [text, json, hung]) assert.doesNotMatch(stdout + stderr, /c2VjcmV0|s3cr3t/);
  const wrong = await run(containerd, "explain", "gcr.io/Lab/hello");
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /upper-case letters/);
});

test("doctor names everything that was broken on a node, and nothing else fails on a node that is well", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const containerd = await startContainerd(workspace, { version: "1.7" });
  const [mirror, silent, upstream] = [
    await serve(workspace, "healthy"),
    await serve(workspace, "silent"),
    await serve(workspace, "healthy"),
  ];
  const config = (mirrors: readonly FaultyServer[]) => `registryMirrors:
${mirrors.map(({ url }) => `  - endpoint: ${url}\n    hosts: [gcr.io]`).join("\n")}
agent:
  containerd: { restart: never }
  upstreams: { gcr.io: { endpoint: "${upstream.url}" } }
`;
  await mkdir(join(containerd.dir, "etc/mirror-agent"), { recursive: true });
  const configPath = join(containerd.dir, "etc/mirror-agent/config.yaml");
  await writeFile(configPath, config([mirror]));
  // Its configuration was written a moment before its first start: the two clocks differ by more.
  await containerd.restart();
  const applied = await run(containerd, "apply");
  assert.equal(applied.code, 0, applied.stderr);
  const failures = async (): Promise<string[]> => {
    const { stdout } = await run(containerd, "--output", "json", "doctor");
    const { checks } = JSON.parse(stdout) as { checks: readonly Check[] };
    return checks.filter(({ state }) => state === "fail").map(({ id, found }) => `${id}: ${found}`);
  };
  assert.deepEqual(await failures(), []);
  assert.equal((await run(containerd, "doctor")).code, 0);

  await containerd.cri.pullImage("gcr.io/lab/hello:1.0", { timeoutMs: 30_000 });
  await mirror.become("status-404");
  assert.match((await run(containerd, "doctor")).stdout, /warn images +only the upstream has gcr\.io\/lab\/hello:1\.0/);

  await mirror.become("healthy");
  await writeFile(configPath, config([mirror, silent]));
  await containerd.writeHosts("quay.io", 'server = "https://quay.io"\nca = "gone.pem"\n[host]\n');
  await containerd.writeHosts("ghcr.io", "server = https://ghcr.io\n");
  await chmod(join(containerd.dir, "var/lib/mirror-agent"), 0o755);
  const found = (await failures()).join("\n");
  assert.match(found, new RegExp(`endpoint: mirror ${silent.url}: response-timeout`));
  assert.match(found, /certs-dir: ".*\/quay\.io\/gone\.pem" cannot be read: no such file/);
  assert.match(found, /certs-dir: containerd ignores ".*\/ghcr\.io\/hosts\.toml"/);
  assert.match(found, /agent: ".*\/var\/lib\/mirror-agent" is open to others \(mode 0755\)/);

  await containerd.stop();
  await writeFile(configPath, "registryMirrors: 5\n");
  const broken = (await failures()).join("\n");
  assert.match(broken, /config: .*config\.yaml line 1/);
  assert.match(broken, /containerd: /);
});
