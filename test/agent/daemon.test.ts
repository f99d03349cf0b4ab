// The daemon as a process, beside a mirror and an upstream that are switched, without a containerd.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type LabAgent, startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { startNotifyReceiver } from "../lab/notify-receiver.ts";
import { quickest } from "../lab/quickest.ts";
import { untilFile } from "../lab/until-file.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

interface Node {
  readonly root: string;
  readonly mirror: FaultyServer;
  readonly upstream: FaultyServer;
  readonly config: string;
  /** Waits for the hosts.toml of a registry. */
  hosts(wanted: RegExp, registry?: string): Promise<string | null>;
  start(options?: { config?: string | null; env?: Record<string, string> }): Promise<LabAgent>;
}

async function makeNode(workspace: Workspace): Promise<Node> {
  const root = await workspace.folder("root");
  const [mirror, upstream] = await Promise.all([startFaultyServer(), startFaultyServer()]);
  workspace.onEnd(() => Promise.all([mirror.close(), upstream.close()]).then(() => {}));
  const config = configFor(mirror, upstream);
  return {
    root,
    mirror,
    upstream,
    config,
    hosts: (wanted, registry = "gcr.io") =>
      untilFile(hostsToml(root, registry), {
        root,
        wanted: (text) => wanted.test(text ?? ""),
      }),
    start: (options = {}) => startAgent(workspace, { root, config, ...options }),
  };
}

function configFor(mirror: FaultyServer, upstream: FaultyServer, hosts = "[gcr.io]"): string {
  const probe = "{ interval: 500ms, timeout: 500ms }";
  const upstreams = `{ gcr.io: { endpoint: "${upstream.url}" } }`;
  return `registryMirrors:\n  - { endpoint: "${mirror.url}", hosts: ${hosts} }\nagent: { probe: ${probe}, upstreams: ${upstreams} }\n`;
}

const hostsToml = (root: string, registry: string) => join(root, "etc/containerd/certs.d", registry, "hosts.toml");
const viaMirror = /^\[host\."http/m;
const viaUpstream = /^\[host\]$/m;

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

test("run keeps the last good config in force while the file is wrong or gone, also when started with it", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const first = await node.start();
  const before = await node.hosts(viaMirror);
  await first.configure("registryMirrors: [{ endpont: x }]\n");
  const rejected = await first.untilStatus(({ config }) => config.state === "rejected");
  assert.match(rejected.config.issues.map(({ message }) => message).join(), /"endpont"/);
  await first.waitForLine((line) => /Config rejected, the last good config stays in force: line 1/.test(line));
  await first.stop();
  const second = await node.start({ config: null });
  await second.untilStatus(({ config, routes }) => config.state === "rejected" && routes.length === 1);
  await rm(second.configPath);
  // Once in a while chokidar misses a removal, and the slow timer finds it.
  await second.waitForLine((line) => /Config rejected.*no such file/.test(line), { timeoutMs: 50_000 });
  assert.equal(await readFile(hostsToml(node.root, "gcr.io"), "utf8"), before);
  await second.configure(configFor(node.mirror, node.upstream, "[docker.io]"));
  await node.hosts(viaMirror, "docker.io");
  await node.hosts(viaUpstream);
});

test("run waits for a config whose folder does not exist yet", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const agent = await node.start({ config: null });
  await agent.waitForLine((line) => /Config rejected, no config is in force and the node stays as it is/.test(line));
  await agent.configure(node.config);
  await node.hosts(viaMirror);
});

test("run sees an editor's replacement, a ConfigMap's symlink swap, and a burst of writes as few passes", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const folder = join(node.root, "etc/mirror-agent");
  const version = async (name: string, hosts: string) => {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "config.yaml"), configFor(node.mirror, node.upstream, hosts));
  };
  await version("..one", "[gcr.io]");
  await symlink("..one", join(folder, "..data"));
  await symlink("..data/config.yaml", join(folder, "config.yaml"));
  const agent = await node.start({ config: null });
  await node.hosts(viaMirror);
  await version("..two", "[docker.io]");
  await symlink("..two", join(folder, "..tmp"));
  await rename(join(folder, "..tmp"), join(folder, "..data"));
  await node.hosts(viaMirror, "docker.io");

  await writeFile(join(folder, "new"), configFor(node.mirror, node.upstream, "[quay.io]"));
  await rename(join(folder, "new"), join(folder, "config.yaml"));
  await node.hosts(viaMirror, "quay.io");

  // In one go: with pauses between them they are no burst.
  for (let round = 0; round < 100; round++) {
    writeFileSync(agent.configPath, configFor(node.mirror, node.upstream, `[burst-${round}.io]`));
  }
  await node.hosts(viaMirror, "burst-99.io");
  const applied = agent.lines.filter((line) => line.includes("is in force")).length;
  assert.ok(applied < 20, `${applied} passes`);
});

test("run follows a CA that is replaced, and keeps the old one while the new one is broken", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const ca = await workspace.file("ca.pem", makeAuthority("one").cert);
  const mirror = 'registryMirrors: [{ endpoint: "https://127.0.0.1:9", caCertPath: ';
  const agent = await node.start({ config: `${mirror}${ca} }]\n` });
  const first = await node.hosts(/ca = /);
  await writeFile(ca, makeAuthority("two").cert);
  const second = await node.hosts(new RegExp(`^(?!${RegExp.escape(first ?? "")})`));
  const copy = /ca = "(.*)"/.exec(second ?? "")?.[1] ?? "";
  assert.equal(await readFile(copy, "utf8"), await readFile(ca, "utf8"));
  await untilFile(/ca = "(.*)"/.exec(first ?? "")?.[1] ?? "", { root: node.root, wanted: (text) => text === null });
  await writeFile(ca, "broken");
  await agent.waitForLine((line) =>
    /Config rejected, the last good config stays in force: .*holds no certificate/.test(line),
  );
  assert.equal(await readFile(hostsToml(node.root, "gcr.io"), "utf8"), second);
});

test("run repairs what somebody else changes, leaves what is theirs, and reloads on SIGHUP", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const theirs = await workspace.file("root/etc/containerd/certs.d/theirs.example/hosts.toml", "theirs");
  const agent = await node.start();
  const ours = await node.hosts(viaMirror);
  await writeFile(hostsToml(node.root, "gcr.io"), "not ours");
  await agent.waitForLine((line) => /^Repaired .*gcr\.io\/hosts\.toml: something else had changed it$/.test(line));
  assert.equal(await node.hosts(viaMirror), ours);
  await rm(join(node.root, "etc/containerd/certs.d/gcr.io"), { recursive: true });
  assert.equal(await node.hosts(viaMirror), ours);
  agent.signal("SIGHUP");
  await agent.waitForLine((line) => line.startsWith("Asked to reload"));
  assert.equal(await readFile(theirs, "utf8"), "theirs");
  const left = await readdir(join(node.root, "etc/containerd/certs.d"));
  assert.deepEqual(left.sort(), ["gcr.io", "theirs.example"]);
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
