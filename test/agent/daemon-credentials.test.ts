// The daemon as a process, with a credential helper that hangs, or that has a new password at each call.

import assert from "node:assert/strict";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { untilFile } from "../lab/until-file.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

/** A node with a mirror of gcr.io, and a private registry whose credential a helper of these shell lines has. */
async function makeNode(workspace: Workspace, script: string) {
  const root = await workspace.folder("root");
  const bin = await workspace.folder("bin");
  const [mirror, upstream] = await Promise.all([startFaultyServer(), startFaultyServer()]);
  workspace.onEnd(() => Promise.all([mirror.close(), upstream.close()]).then(() => {}));
  const helper = join(bin, "docker-credential-lab");
  await writeFile(helper, `#!/bin/sh\ndir='${bin}'\ncat >/dev/null\n${script}\n`);
  await chmod(helper, 0o755);
  const dockerConfig = join(root, "docker.json");
  const login = () => writeFile(dockerConfig, '{"credsStore": "lab"}', { mode: 0o600 });
  await login();
  const config = (hosts: string) => configFor({ mirror, upstream, dockerConfig, hosts });
  const agent = await startAgent(workspace, {
    root,
    config: config("[gcr.io]"),
    env: { PATH: `${bin}:/usr/bin:/bin` },
  });
  const until = (path: string, wanted: RegExp) =>
    untilFile(path, { root: workspace.dir, wanted: (text) => wanted.test(text ?? "") });
  return {
    agent,
    bin,
    mirror,
    /** Has the mirror mirror these. */
    configure: (hosts: string) => agent.configure(config(hosts)),
    /** As `docker login` does it. */
    login,
    changePassword: (password: string) => {
      const auths = { "127.0.0.1:9": { username: "joe", password } };
      return writeFile(dockerConfig, JSON.stringify({ auths }));
    },
    until,
    untilHosts: (registry: string, wanted: RegExp) =>
      until(join(root, "etc/containerd/certs.d", registry, "hosts.toml"), wanted),
  };
}

interface Parts {
  readonly mirror: FaultyServer;
  readonly upstream: FaultyServer;
  readonly dockerConfig: string;
  readonly hosts: string;
}

function configFor({ mirror, upstream, dockerConfig, hosts }: Parts): string {
  return `registryMirrors: [{ endpoint: "${mirror.url}", hosts: ${hosts} }]
privateRegistries: [{ host: private.test, pullCredentialConfigPath: ${dockerConfig} }]
agent:
  probe: { interval: 500ms, timeout: 500ms }
  upstreams: { gcr.io: { endpoint: "${upstream.url}" }, private.test: { endpoint: "http://127.0.0.1:9" } }
`;
}

const basicOf = (password: string) => new RegExp(`Basic ${Buffer.from(`joe:${password}`).toString("base64")}`);

test("run fails over while a credential helper hangs, keeps what it said before, and ends at once", async () => {
  await using workspace = await createWorkspace();
  const script = `[ -e "$dir/hangs" ] && { echo $$ >"$dir/pid"; exec sleep 600; }\necho '{"Username":"joe","Secret":"one"}'`;
  const { agent, bin, mirror, login, until, untilHosts } = await makeNode(workspace, script);
  await untilHosts("private.test", basicOf("one"));
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  await mkdir(join(bin, "hangs"));
  await login();
  const pid = Number(await until(join(bin, "pid"), /\n$/));
  const failsAt = performance.now();
  await mirror.become("silent");
  await untilHosts("gcr.io", /^\[host\]$/m);
  assert.ok(performance.now() - failsAt < 5_000, "a helper may take ten");
  await untilHosts("private.test", basicOf("one"));
  const askedAt = performance.now();
  agent.signal("SIGTERM");
  assert.equal(await agent.ended, 0);
  assert.ok(performance.now() - askedAt < 5_000);
  // What was killed takes a moment to go.
  while (!/gone|\) Z/.test(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone"))) await delay(5);
});

test("run asks a helper that has a new password at each call no more than once for many passes", async () => {
  await using workspace = await createWorkspace();
  const script = `echo run >>"$dir/runs"\necho "{\\"Username\\":\\"joe\\",\\"Secret\\":\\"$(wc -l <"$dir/runs")\\"}"`;
  const { bin, configure, login, untilHosts } = await makeNode(workspace, script);
  await untilHosts("private.test", basicOf("1"));
  for (const registry of ["one.test", "two.test", "three.test"]) {
    await configure(`[gcr.io, ${registry}]`);
    await untilHosts(registry, /^\[host/m);
  }
  assert.equal(await readFile(join(bin, "runs"), "utf8"), "run\n");
  await login();
  await untilHosts("private.test", new RegExp(`Basic (?!${basicOf("1").source.slice(6)})`));
});

test("run sees a changed password while the config is rejected", async () => {
  await using workspace = await createWorkspace();
  const { agent, configure, changePassword, untilHosts } = await makeNode(workspace, "exit 1");
  await changePassword("one");
  await untilHosts("private.test", basicOf("one"));
  await configure("no list");
  await agent.untilStatus(({ config }) => config.state === "rejected");
  await changePassword("two");
  await untilHosts("private.test", basicOf("two"));
});
