// A credential that only config.toml can hold, from the operator's file to pulls: containerd before 2.1, and a mirror
// that takes nothing but tokens. Each change of it is one edit and one restart; nobody but root can read the file
// while it holds one, and restore leaves not a byte of it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Status } from "../../src/report/status.ts";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { findStrays, type GuardedPlace, startGuardedPlace, writeDockerConfig } from "../lab/credential-node.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { type ContainerdVersion, labMissing } from "../lab/parts.ts";
import { pullFrom } from "../lab/pull-from.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { type SupervisedContainerd, startSupervised } from "../node/supervised-containerd.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const files = makeImageFiles("lab/hello", "1.0");
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const VERSIONS = ["1.6", "1.7"] as const satisfies readonly ContainerdVersion[];
const R2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
const BARE = '# ours\nversion = 2\n\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause" # kept\n';
const withPath = (etc: string): string => `# ours\nversion = 2\n${R2}  config_path = "${etc}/certs.d"\n`;

/** A restart may be waited for as long as this. */
const PATIENT = { timeoutMs: 60_000 };

interface Scene {
  readonly containerd: SupervisedContainerd;
  readonly mirror: GuardedPlace;
  readonly upstream: GuardedPlace;
  readonly config: (restart?: "never" | "when-needed") => string;
  readonly original: string;
}

interface SceneOptions {
  readonly version: ContainerdVersion;
  readonly configToml: (etc: string) => string;
  readonly startsIf?: (dir: string) => string;
}

async function startScene(workspace: Workspace, options: SceneOptions): Promise<Scene> {
  const [mirror, upstream, containerd] = await Promise.all([
    startGuardedPlace(workspace, { role: "mirror", kind: "tokens-alone", tls, files }),
    startGuardedPlace(workspace, { role: "upstream", kind: "open", tls, files }),
    startSupervised(workspace, options),
  ]);
  const ca = await workspace.file("ca.pem", authority?.cert ?? "");
  const credentials = await writeDockerConfig(workspace, "mirror.json", [mirror]);
  const command = JSON.stringify(containerd.restartCommand);
  const config: Scene["config"] = (restart = "when-needed") => `registryMirrors:
  - { endpoint: "${mirror.registry.url}", hosts: [gcr.io], caCertPath: ${ca}, pullCredentialConfigPath: ${credentials} }
agent:
  probe: { interval: 1s, timeout: 1s }
  containerd: { restart: ${restart}, restartCommand: ${command} }
  upstreams: { gcr.io: { endpoint: "${upstream.registry.url}", caCertPath: ${ca} } }
`;
  return { containerd, mirror, upstream, config, original: await readFile(containerd.configPath, "utf8") };
}

function run({ containerd }: Scene, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "--root", containerd.dir, ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

async function configure({ containerd }: Scene, text: string): Promise<void> {
  await mkdir(join(containerd.dir, "etc/mirror-agent"), { recursive: true });
  await writeFile(join(containerd.dir, "etc/mirror-agent/config.yaml"), text);
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

function assertPullsFrom({ containerd, mirror, upstream }: Scene, from: GuardedPlace): Promise<void> {
  return pullFrom(containerd, "gcr.io", [mirror.registry, upstream.registry]).then((urls) =>
    assert.deepEqual(urls, [from.registry.url]),
  );
}

/** The files in the agent's state that hold a text. */
async function statesHolding({ containerd }: Scene, text: string): Promise<string[]> {
  const folder = join(containerd.dir, "var/lib/mirror-agent");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path, "utf8")).includes(text)) found.push(path.slice(folder.length + 1));
  }
  return found;
}

/** Between its end and its next start it is not: what it will read then counts already. */
const isRunning = async ({ dir }: SupervisedContainerd): Promise<boolean> =>
  existsSync(`/proc/${(await readFile(join(dir, "pid"), "utf8")).trim()}`);

const isUp = ({ endpoints: [mirror], routes: [route] }: Status): boolean =>
  mirror?.state === "up" && mirror.credential?.problem === null && route?.failedOver === false;
const isRestarted = ({ containerd }: Status, since: string | null): boolean => containerd.lastRestartAt !== since;
const isInConfig = (status: Status): boolean => isUp(status) && status.endpoints[0]?.credential?.kind === "config-auth";

for (const version of VERSIONS) {
  for (const [name, configToml] of Object.entries({
    "a bare config.toml": () => BARE,
    "the operator's config_path": withPath,
  })) {
    test(`run gives containerd ${version} with ${name} a credential in one restart, a changed one in one more, and restore takes it out`, {
      skip,
    }, async () => {
      await using workspace = await createWorkspace();
      const scene = await startScene(workspace, { version, configToml });
      const { containerd, mirror, upstream, original } = scene;
      const agent = await startAgent(workspace, { root: containerd.dir, config: scene.config() });
      await agent.waitForLine((line) => /^Mirror \S+ is up/.test(line), PATIENT);
      assert.ok((await containerd.starts()) === 2 || !(await isRunning(containerd)), "not believed up before");
      const first = await agent.untilStatus((status) => isInConfig(status) && isRestarted(status, null), PATIENT);
      assert.equal(await containerd.starts(), 2);
      assert.equal(await modeOf(containerd.configPath), "600");
      assert.match(await readFile(containerd.configPath, "utf8"), new RegExp(`password = "${mirror.secret}"`));
      await assertPullsFrom(scene, mirror);
      assert.deepEqual(await statesHolding(scene, mirror.secret), []);

      const changed = `secret-${crypto.randomUUID()}`;
      mirror.tokens.account = { ...mirror.tokens.account, password: changed };
      await writeDockerConfig(workspace, "mirror.json", [mirror]);
      const { lastRestartAt } = first.containerd;
      await agent.untilStatus((status) => isInConfig(status) && isRestarted(status, lastRestartAt), PATIENT);
      assert.equal(await containerd.starts(), 3);
      await assertPullsFrom(scene, mirror);
      assert.doesNotMatch(await readFile(containerd.configPath, "utf8"), new RegExp(mirror.secret));
      assert.deepEqual(await statesHolding(scene, changed), []);

      agent.signal("SIGTERM");
      await agent.ended;
      const again = await startAgent(workspace, { root: containerd.dir, config: null });
      await again.untilStatus(isInConfig, PATIENT);
      again.signal("SIGTERM");
      await again.ended;
      assert.equal(await containerd.starts(), 3, "a start of the agent restarts nothing");

      const restored = await run(scene, "restore");
      assert.equal(restored.code, 0, restored.stderr);
      assert.equal(await readFile(containerd.configPath, "utf8"), original);
      assert.equal(await modeOf(containerd.configPath), "640");
      assert.equal(await containerd.starts(), 4);
      const secrets = [mirror.secret, changed];
      const told = [...agent.lines, ...again.lines, restored.stdout, restored.stderr].join("\n");
      assert.deepEqual(
        secrets.filter((secret) => told.includes(secret)),
        [],
      );
      assert.deepEqual(findStrays([mirror], [mirror.registry, mirror.tokens, upstream.registry]), []);
    });
  }
}

test("plan, apply and restore: one restart, which plan names, and no secret is shown", { skip }, async () => {
  await using workspace = await createWorkspace();
  const scene = await startScene(workspace, { version: "1.7", configToml: () => BARE });
  const { containerd, mirror, original } = scene;
  await configure(scene, scene.config());
  const planned = await run(scene, "plan", "--exit-code");
  assert.equal(planned.code, 1, planned.stderr);
  const host = new URL(mirror.registry.url).host;
  const because = `config_path is not set, the credential for "${host}" is not in config.toml`;
  assert.ok(planned.stdout.includes(`Restart containerd: ${because}; containerd reads it only when it starts`));
  assert.match(planned.stdout, /^Change \S+config\.toml \(mode 0600\): /m);
  assert.match(planned.stdout, /^\+ *password = \((other )?secret\)$/m);
  assert.match(planned.stdout, /in config\.toml, where each change costs a restart of containerd: /);
  assert.equal(await readFile(containerd.configPath, "utf8"), original);

  const applied = await run(scene, "apply");
  assert.equal(applied.code, 0, applied.stderr);
  assert.equal(await containerd.starts(), 2);
  await assertPullsFrom(scene, mirror);
  assert.equal((await run(scene, "plan", "--exit-code")).code, 0);
  assert.equal((await run(scene, "apply")).stdout, "Nothing to change\n");
  await chmod(containerd.configPath, 0o644);
  const closed = await run(scene, "apply");
  assert.match(closed.stdout, /^Only root can read \S+config\.toml again, which holds a credential: no restart/);
  assert.equal(await modeOf(containerd.configPath), "600");

  await configure(scene, scene.config().replace(/, pullCredentialConfigPath: \S+/, ""));
  const unneeded = await run(scene, "plan");
  assert.ok(unneeded.stdout.includes(`our credential for "${host}" is not needed any more`), unneeded.stdout);
  assert.doesNotMatch(unneeded.stdout, /^Restart/m);
  const removed = await run(scene, "apply");
  assert.equal(removed.code, 0, removed.stderr);
  assert.ok(removed.stdout.includes(`took out that of ${host} in ${containerd.configPath}, no restart was needed`));
  assert.doesNotMatch(await readFile(containerd.configPath, "utf8"), /configs/);
  assert.equal(await modeOf(containerd.configPath), "640");
  assert.equal(await containerd.starts(), 2);

  const restored = await run(scene, "restore");
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(await readFile(containerd.configPath, "utf8"), original);
  const told = [planned, applied, unneeded, removed, restored].map(({ stdout, stderr }) => stdout + stderr).join("\n");
  assert.ok(!told.includes(mirror.secret));
});

test("run leaves a credential alone that the operator wrote himself, and says so", { skip }, async () => {
  await using workspace = await createWorkspace();
  const scene = await startScene(workspace, { version: "1.7", configToml: withPath });
  const { containerd, mirror } = scene;
  const host = new URL(mirror.registry.url).host;
  const theirs = `${scene.original}${R2.replace("]\n", `.configs."${host}".auth]\n`)}username = "joe"\npassword = "theirs"\n`;
  await writeFile(containerd.configPath, theirs);
  const agent = await startAgent(workspace, { root: containerd.dir, config: scene.config() });
  await agent.waitForLine((line) =>
    line.includes(`config.toml has a credential for "${host}" that mirror-agent did not`),
  );
  agent.signal("SIGTERM");
  await agent.ended;
  assert.equal((await run(scene, "restore")).code, 0);
  assert.equal(await readFile(containerd.configPath, "utf8"), theirs);
  assert.equal(await modeOf(containerd.configPath), "640");
});

test("run with restart: never writes the credential, holds the mirror for down until somebody restarts containerd, then uses it", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const scene = await startScene(workspace, { version: "1.7", configToml: withPath });
  const { containerd, mirror, upstream } = scene;
  const agent = await startAgent(workspace, { root: containerd.dir, config: scene.config("never") });
  const owed = await agent.untilStatus(
    ({ routes, containerd: { restartOwed, inEffect } }) => routes[0]?.failedOver === true && restartOwed && inEffect,
    PATIENT,
  );
  assert.deepEqual([owed.endpoints[0]?.state, owed.endpoints[0]?.reason], ["down", "unauthorized"]);
  assert.match(owed.endpoints[0]?.credential?.problem ?? "", /; restart containerd$/);
  await agent.waitForLine((line) => line.includes("containerd does not use a credential until you restart it: "));
  assert.equal(await containerd.starts(), 1);
  await assertPullsFrom(scene, upstream);

  const [file = "", ...args] = containerd.restartCommand;
  execFile(file, args);
  await agent.untilStatus((status) => isInConfig(status) && !status.containerd.restartOwed, PATIENT);
  assert.equal(await containerd.starts(), 2);
  await assertPullsFrom(scene, mirror);
  assert.deepEqual(await statesHolding(scene, mirror.secret), []);
});

test("run takes a credential back with which containerd does not come back, bytes and mode, and tries another", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const startsIf = (dir: string) => `! grep -q secret- ${dir}/etc/containerd/config.toml`;
  const scene = await startScene(workspace, { version: "1.7", configToml: withPath, startsIf });
  const { containerd, mirror, upstream, original } = scene;
  const agent = await startAgent(workspace, { root: containerd.dir, config: scene.config() });
  const failed = await agent.untilStatus(
    ({ endpoints: [each], routes }) =>
      (each?.credential?.problem?.includes("did not come back") ?? false) && routes[0]?.failedOver === true,
    PATIENT,
  );
  assert.equal(failed.endpoints[0]?.reason, "unauthorized");
  assert.ok(failed.containerd.inEffect, "the routes are read all the same");
  assert.equal(await readFile(containerd.configPath, "utf8"), original);
  assert.equal(await modeOf(containerd.configPath), "640");
  assert.deepEqual(await statesHolding(scene, mirror.secret), []);
  await assertPullsFrom(scene, upstream);
  const starts = await containerd.starts();

  const isTold = (line: string) => line.includes("containerd did not come back with the new configuration");
  await agent.waitForLine((line) => isTold(line) && !/^(Credential|Mirror)/.test(line));
  const told = agent.lines.filter(isTold);
  assert.equal(told.filter((line) => !/^(Credential|Mirror)/.test(line)).length, 1, told.join("\n"));
  assert.equal((await run(scene, "apply")).code, 1, "it is not tried again");
  assert.equal(await containerd.starts(), starts);

  mirror.tokens.account = { ...mirror.tokens.account, password: crypto.randomUUID() };
  await writeDockerConfig(workspace, "mirror.json", [mirror]);
  await agent.untilStatus(isInConfig, PATIENT);
  await assertPullsFrom(scene, mirror);
  assert.equal(await modeOf(containerd.configPath), "600");
});

test("run hands containerd 1.7 a refresh token, which only a token server takes", { skip }, async () => {
  await using workspace = await createWorkspace();
  const scene = await startScene(workspace, { version: "1.7", configToml: withPath });
  const { containerd, mirror } = scene;
  const refreshToken = `refresh-${crypto.randomUUID()}`;
  mirror.tokens.account = { ...mirror.tokens.account, refreshToken };
  const auths = { [new URL(mirror.registry.url).host]: { identitytoken: refreshToken } };
  await writeFile(`${workspace.dir}/mirror.json`, JSON.stringify({ auths }));
  const agent = await startAgent(workspace, { root: containerd.dir, config: scene.config() });
  await agent.untilStatus((status) => isInConfig(status) && isRestarted(status, null), PATIENT);
  assert.match(await readFile(containerd.configPath, "utf8"), new RegExp(`^ *identitytoken = "${refreshToken}"$`, "m"));
  await assertPullsFrom(scene, mirror);
  assert.equal(await containerd.starts(), 2);
});
