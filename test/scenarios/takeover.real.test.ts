// containerd's own configuration taken over by the commands and by the daemon, as processes, on real containerds:
// what plan says, what is done, what a pull then goes through, and that restore leaves nothing of it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Status } from "../../src/report/status.ts";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { buildImage } from "../lab/image.ts";
import { CONTAINERD_VERSIONS, type ContainerdVersion, labMissing } from "../lab/parts.ts";
import { pushImage } from "../lab/push-image.ts";
import { type Registry, startRegistry } from "../lab/registry.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { type SupervisedContainerd, startSupervised } from "../node/supervised-containerd.ts";

const skip = labMissing();
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const IMAGE = "gcr.io/lab/hello:1.0";
const R2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
const BARE = `# ours\nversion = 2\n\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause" # kept\n`;

/** A takeover may wait for containerd as long as this. */
const PATIENT = { timeoutMs: 60_000 };

interface Node {
  readonly workspace: Workspace;
  readonly containerd: SupervisedContainerd;
  readonly mirror: Registry;
}

async function makeNode(
  workspace: Workspace,
  version: ContainerdVersion,
  configToml: string | ((etc: string) => string),
  startsIf: (dir: string) => string = () => "true",
): Promise<Node> {
  const mirror = await startRegistry(workspace, "mirror");
  await pushImage(buildImage({ layerSizes: [1000] }), { url: mirror.url, repository: "lab/hello", tag: "1.0" });
  const config = typeof configToml === "string" ? () => configToml : configToml;
  const containerd = await startSupervised(workspace, { version, configToml: config, startsIf });
  await mkdir(join(containerd.dir, "etc/mirror-agent"), { recursive: true });
  return { workspace, containerd, mirror };
}

interface Settings {
  readonly restart?: "when-needed" | "never";
  readonly restartCommand?: readonly string[];
  /** Mirrors before ours, and what follows it. */
  readonly first?: string;
  readonly more?: string;
}

function configOf({ containerd, mirror }: Node, settings: Settings = {}): string {
  const { restart = "when-needed", restartCommand = containerd.restartCommand, first = "", more = "" } = settings;
  const command = JSON.stringify(restartCommand);
  const upstream = `  upstreams: { gcr.io: { endpoint: "http://127.0.0.1:9" } }\n`;
  const probe = "  probe: { interval: 1s, timeout: 500ms }\n";
  const takeover = `  containerd: { restart: ${restart}, restartCommand: ${command} }\n`;
  return `registryMirrors:\n${first}  - { endpoint: "${mirror.url}", hosts: [gcr.io] }\n${more}agent:\n${probe}${upstream}${takeover}`;
}

async function configure(node: Node, settings?: Settings): Promise<void> {
  await writeFile(join(node.containerd.dir, "etc/mirror-agent/config.yaml"), configOf(node, settings));
}

/** Another mirror before ours, behind it, gone again, and a registry with a CA of its own. */
async function makeChange(workspace: Workspace, { change, ca }: { change: number; ca: string }) {
  const other = `  - { endpoint: "http://127.0.0.1:${20_000 + change}", hosts: [gcr.io, r${change}.test] }\n`;
  const isThere = (registries: readonly string[]) => registries.includes(`r${change}.test`);
  if (change % 4 === 0) return { first: other, more: "", wanted: isThere };
  if (change % 4 === 1) return { first: "", more: other, wanted: isThere };
  if (change % 4 === 2)
    return { first: "", more: "", wanted: (registries: readonly string[]) => registries.length === 1 };
  const path = await workspace.file(`ca-${change}.pem`, ca);
  const more = `privateRegistries:\n  - { host: r${change}.test, caCertPath: ${path} }\n`;
  return { first: "", more, wanted: isThere };
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
    const { containerd } = node;
    const agent = await startAgent(workspace, { root: containerd.dir, config: configOf(node) });
    await agent.untilStatus(
      ({ containerd: { inEffect }, endpoints }) => inEffect && endpoints[0]?.state === "up",
      PATIENT,
    );
    await assertPullsThrough(node);
    assert.equal(await containerd.starts(), 2);
    await agent.waitForLine((line) => line.includes("containerd reads the routes"));
    const lines = agent.lines.filter((line) => line.includes("containerd reads the routes"));
    assert.equal(lines.length, 1, agent.lines.join("\n"));

    const ca = makeAuthority().cert;
    for (let change = 0; change < 100; change++) {
      const { more, first, wanted } = await makeChange(workspace, { change, ca });
      await agent.configure(configOf(node, { more, first }));
      await agent.untilStatus(({ routes }) => wanted(routes.map(({ registry }) => registry)));
    }
    assert.equal(await containerd.starts(), 2);
    agent.signal("SIGTERM");
    assert.equal(await agent.ended, 0);
  });
}

for (const version of CONTAINERD_VERSIONS) {
  test(`migrate converts containerd ${version}'s mirrors, which apply leaves alone, and restore brings them back`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const mirror = await startRegistry(workspace, "other");
    const auth = '  configs."gcr.io".auth.password = "hunter2"\n';
    const legacy = `version = 2\n${R2}  mirrors."quay.io".endpoint = ["${mirror.url}"]\n${auth}`;
    const node = await makeNode(workspace, version, legacy);
    const { containerd } = node;
    await configure(node);
    const before = await filesOf(node);

    const refused = await run(node, "apply");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /containerd has registry\.mirrors for "quay\.io"; run `mirror-agent migrate`/);
    assert.match((await run(node, "plan")).stdout, /stays as it is: containerd has registry\.mirrors for "quay\.io"/);
    assert.match((await run(node, "check")).stdout, /stays as it is: containerd has registry\.mirrors for "quay\.io"/);

    const shown = await run(node, "migrate");
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /^Create \S+certs\.d\/quay\.io\/hosts\.toml/m);
    assert.match(shown.stdout, /^-.*mirrors/m);
    assert.match(shown.stdout, /^Restart containerd: /m);
    assert.doesNotMatch(shown.stdout, /hunter2/);
    assert.equal(await readFile(containerd.configPath, "utf8"), legacy);

    const migrated = await run(node, "migrate", "--yes");
    assert.equal(migrated.code, 0, migrated.stderr);
    assert.equal(await containerd.starts(), 2);
    assert.match(await readFile(containerd.configPath, "utf8"), /hunter2/, "containerd still reads it there");
    await assertPullsThrough(node);
    assert.equal((await run(node, "migrate", "--yes")).stdout.split(":")[0], "Nothing to migrate");
    assert.equal((await run(node, "apply")).code, 0);
    assert.equal(await containerd.starts(), 2);

    const restored = await run(node, "restore");
    assert.equal(restored.code, 0, restored.stderr);
    assert.deepEqual(await filesOf(node), before);
  });
}

test("run leaves the restart to the operator where it is to, shows it as owed, and sees it done", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace, "1.7", BARE);
  const { containerd } = node;
  const agent = await startAgent(workspace, { root: containerd.dir, config: configOf(node, { restart: "never" }) });
  await agent.untilStatus((status) => status.containerd.restartOwed, PATIENT);
  const planned = await run(node, "plan");
  assert.match(planned.stdout, /^Restart owed, which is left to you: /m);
  const status = await run(node, "status");
  assert.deepEqual([status.code, /restart owed/.test(status.stdout)], [1, true]);
  assert.equal(await containerd.starts(), 1);

  await restartContainerd(node);
  const after = await agent.untilStatus(
    ({ containerd: { inEffect, restartOwed } }) => inEffect && !restartOwed,
    PATIENT,
  );
  assert.equal(after.containerd.problem, null);
  assert.equal(await containerd.starts(), 2);
  await assertPullsThrough(node);
  await agent.waitForLine((line) => line.includes("reads the routes: containerd was restarted"));
  assert.equal(agent.lines.filter((line) => line.includes("until you restart it")).length, 1);
});

test("apply writes where config_path already points, and restarts nothing", { skip }, async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace, "1.7", (etc) => `version = 2\n${R2}  config_path = "${etc}/elsewhere"\n`);
  await configure(node);
  const before = await filesOf(node);
  const applied = await run(node, "apply");
  assert.equal(applied.code, 0, applied.stderr);
  assert.deepEqual(await readdir(join(node.containerd.dir, "etc/containerd/elsewhere")), ["gcr.io"]);
  await assertPullsThrough(node);
  await utimes(node.containerd.configPath, new Date(), new Date());
  assert.equal((await run(node, "apply")).stdout, "Nothing to change\n", "it was loaded, whatever its time says");
  assert.equal((await run(node, "restore")).code, 0);
  assert.deepEqual(await filesOf(node), before);
  assert.equal(await node.containerd.starts(), 1);
});

test("restore takes back an owed takeover without a restart", { skip }, async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace, "1.7", BARE);
  await configure(node, { restart: "never" });
  const before = await filesOf(node);
  const applied = await run(node, "apply");
  assert.equal(applied.code, 1);
  assert.match(applied.stderr, /until you restart it/);
  const restored = await run(node, "restore");
  assert.deepEqual([restored.code, restored.stderr], [0, ""]);
  assert.deepEqual(await filesOf(node), before);
  assert.equal(await node.containerd.starts(), 1);
});

test("restore takes out only our value of what was edited since, and brings back what was taken over, without a config", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace, "1.7", BARE);
  const { containerd } = node;
  const theirs = join(containerd.certsDir, "gcr.io/hosts.toml");
  await mkdir(join(containerd.certsDir, "gcr.io"), { recursive: true });
  await writeFile(theirs, 'server = "https://theirs"\n', { mode: 0o640 });
  const before = await filesOf(node);
  const agent = await startAgent(workspace, { root: containerd.dir, config: configOf(node) });
  await agent.untilStatus((status) => status.containerd.inEffect, PATIENT);
  assert.match(await readFile(theirs, "utf8"), /^# Managed/);

  const refused = await run(node, "restore");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Cannot restore: mirror-agent run, pid \d+ would do it all again; stop it/);
  agent.signal("SIGTERM");
  await agent.ended;

  const edited = (await readFile(containerd.configPath, "utf8")).replace("# ours", "# edited since");
  await writeFile(containerd.configPath, edited);
  await rm(agent.configPath);
  const restored = await run(node, "restore");
  assert.equal(restored.code, 0, restored.stderr);
  const config = "etc/containerd/config.toml";
  assert.deepEqual(await filesOf(node), { ...before, [config]: before[config]?.replace("# ours", "# edited since") });
  assert.equal((await stat(theirs)).mode & 0o777, 0o640);
  assert.equal(await containerd.starts(), 3);
});

for (const isKilledToo of [false, true]) {
  test(`run killed during a restart goes on from there, ${isKilledToo ? "the restart killed too" : "which goes on alone"}`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const node = await makeNode(workspace, "1.7", BARE);
    const { containerd } = node;
    const marker = join(containerd.dir, "restarting");
    const restart = containerd.restartCommand.at(-1);
    const script = `if [ ! -e ${marker} ]; then echo $$ > ${marker}; while [ ! -e ${marker}-go ]; do sleep 0.05; done; fi; ${restart}`;
    const config = configOf(node, { restartCommand: ["sh", "-c", script] });
    const first = await startAgent(workspace, { root: containerd.dir, config });
    const pid = Number(await readWhenThere(marker, /\n/));
    await first.kill();
    if (isKilledToo) process.kill(pid, "SIGKILL");
    await writeFile(`${marker}-go`, "");

    const second = await startAgent(workspace, { root: containerd.dir, config: null });
    await second.untilStatus((status) => status.containerd.inEffect, PATIENT);
    await second.untilStatus((status) => status.containerd.lastRestartAt !== null, PATIENT);
    assert.equal(await containerd.starts(), 2);
    await assertPullsThrough(node);
  });
}

test("run moves routes while a takeover waits", { skip }, async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace, "1.7", BARE);
  const { containerd } = node;
  const marker = join(containerd.dir, "restarting");
  const script = `touch ${marker}; while [ ! -e ${marker}-go ]; do sleep 0.05; done; ${containerd.restartCommand.at(-1)}`;
  const restartCommand = ["sh", "-c", script];
  const agent = await startAgent(workspace, { root: containerd.dir, config: configOf(node, { restartCommand }) });
  await readWhenThere(marker);
  const more = '  - { endpoint: "http://127.0.0.1:9", hosts: [quay.io] }\n';
  await agent.configure(configOf(node, { restartCommand, more }));
  await agent.untilStatus(({ routes, containerd: { inEffect } }) => routes.length === 2 && !inEffect);
  await writeFile(`${marker}-go`, "");
  await agent.untilStatus((status) => status.containerd.inEffect, PATIENT);
  assert.equal(await containerd.starts(), 2);
});

test("restore brings back what the operator put there last, not what was there first", { skip }, async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace, "1.7", BARE);
  const { containerd } = node;
  await configure(node);
  assert.equal((await run(node, "apply")).code, 0);
  const theirs = `# from a new release of ours\n${BARE}`;
  await writeFile(containerd.configPath, theirs);
  const again = await run(node, "apply");
  assert.deepEqual([again.code, await containerd.starts()], [0, 2], "the running containerd has loaded it");
  assert.match(await readFile(containerd.configPath, "utf8"), /config_path/);
  assert.equal((await run(node, "restore")).code, 0);
  assert.equal(await readFile(containerd.configPath, "utf8"), theirs);
});

test("run tells a failed takeover once, keeps it in the status, and tries again when config.toml changes", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const startsIf = (dir: string) => `! grep -q config_path ${dir}/etc/containerd/config.toml || test -e ${dir}/mended`;
  const node = await makeNode(workspace, "1.7", BARE, startsIf);
  const { containerd } = node;
  const agent = await startAgent(workspace, { root: containerd.dir, config: configOf(node) });
  const isFailed = ({ containerd: { problem } }: Status) => problem?.includes("did not come back") ?? false;
  await agent.untilStatus(isFailed, PATIENT);
  assert.equal(await readFile(containerd.configPath, "utf8"), BARE);
  await agent.configure(configOf(node, { more: '  - { endpoint: "http://127.0.0.1:9", hosts: [quay.io] }\n' }));
  const later = await agent.untilStatus(({ routes }) => routes.length === 2);
  assert.ok(isFailed(later));
  await agent.waitForLine((line) => line.includes("containerd did not come back"));
  const told = agent.lines.filter((line) => line.includes("containerd did not come back"));
  assert.equal(told.length, 1, told.join("\n"));
  assert.match(told[0] ?? "", /it runs with the old configuration; this is not tried again until something changes$/);

  await writeFile(join(containerd.dir, "mended"), "");
  await writeFile(containerd.configPath, `${BARE}# mended\n`);
  await agent.untilStatus((status) => status.containerd.inEffect, PATIENT);
  await assertPullsThrough(node);
});

test("run keeps routes going where nothing can be known of containerd, and says why", { skip }, async () => {
  await using workspace = await createWorkspace();
  const root = await workspace.folder("node");
  const memory = await workspace.file("node/var/lib/mirror-agent/takeover/containerd.json", "{");
  const config = 'registryMirrors:\n  - { endpoint: "http://127.0.0.1:9", hosts: [gcr.io] }\n';
  const agent = await startAgent(workspace, { root, config });
  const { containerd } = await agent.untilStatus(({ routes }) => routes.length === 1);
  assert.match(containerd.problem ?? "", /^Cannot read ".*containerd\.json": it is not JSON/);
  assert.match(await readFile(join(root, "etc/containerd/certs.d/gcr.io/hosts.toml"), "utf8"), /127\.0\.0\.1:9/);
  assert.equal(await readFile(memory, "utf8"), "{");
  await agent.waitForLine((line) => line.includes("it is not JSON"));
  assert.equal(agent.lines.filter((line) => line.includes("it is not JSON")).length, 1);
});

async function restartContainerd({ containerd }: Node): Promise<void> {
  const [file = "", ...args] = containerd.restartCommand;
  await promisify(execFile)(file, args);
}

/** The text of a file, once it is there and holds what is wanted: who has made it may not have written yet. */
async function readWhenThere(path: string, wanted = /^/): Promise<string> {
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => null);
    if (text !== null && wanted.test(text)) return text;
    await delay(20);
  }
}
