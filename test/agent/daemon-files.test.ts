// The daemon as a process, while the files change that it reads, and those that it writes.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeAuthority } from "../lab/certificates.ts";
import { untilFile } from "../lab/until-file.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { configFor, hostsToml, makeNode, viaMirror, viaUpstream } from "./daemon-node.ts";

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
