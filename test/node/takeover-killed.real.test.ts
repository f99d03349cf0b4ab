// kill -9 at every step of a takeover of a real containerd; the next pass settles it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findCriProblem } from "../../src/node/containerd.ts";
import type { RestartPolicy } from "../../src/node/restart.ts";
import { RestartMemory } from "../../src/node/restart-memory.ts";
import { labMissing } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { type SupervisedContainerd, startSupervised } from "./supervised-containerd.ts";
import type { PassArguments } from "./takeover-pass.ts";

const skip = labMissing();
const CONFIG = 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause"\n';
const GOOD_STEPS = ["editing", "edited", "owed", "restarting", "restarted"];
const BAD_STEPS = [...GOOD_STEPS, "rolling-back", "rolled-back", "restarting-old", "restarted-old"];

interface Pass {
  readonly killAt?: string;
  readonly password?: string;
  /** Where containerd does not come back, this is waited out. */
  readonly policy?: Partial<RestartPolicy>;
}

async function pass(containerd: SupervisedContainerd, { killAt, password = "", policy = {} }: Pass = {}) {
  const { socket, configPath, certsDir, restartCommand, dir } = containerd;
  const places = { socket, configPath, certsDir, restartCommand, stateDir: join(dir, "state") };
  const args: PassArguments = { ...places, killAt: killAt ?? null, password: password || null, policy };
  const program = [join(import.meta.dirname, "takeover-pass.ts"), JSON.stringify(args)];
  const ended = promisify(execFile)(process.execPath, program);
  if (killAt === undefined) return (await ended).stdout;
  return assert.rejects(ended, { signal: "SIGKILL" });
}

const HASTY: Partial<RestartPolicy> = { answersWithinMs: 3000, settlesWithinMs: 1000 };

/** Of a pass after one that was killed. Whether a restart that was begun is under way is not to be judged in haste. */
const afterwards = (step: string): Partial<RestartPolicy> => (step === "restarting" ? { settlesWithinMs: 1000 } : {});

/** It is on its way up when the pass has given up waiting for it. */
async function assertServes({ socket }: SupervisedContainerd): Promise<void> {
  const end = AbortSignal.timeout(30_000);
  while ((await findCriProblem(socket, end)) !== null) await delay(100, null, { signal: end });
}

async function journalOf({ dir }: SupervisedContainerd) {
  return (await RestartMemory.open(join(dir, "state"))).now.journal;
}

for (const step of GOOD_STEPS) {
  test(`takeover killed at "${step}": restarted once, in effect, nothing owed`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const containerd = await startSupervised(workspace, { version: "1.7", configToml: () => CONFIG });
    await pass(containerd, { killAt: step });
    assert.equal(await pass(containerd, { policy: afterwards(step) }), "done");
    assert.equal(await pass(containerd), "settled");
    assert.equal(await containerd.starts(), 2);
    assert.match(await readFile(containerd.configPath, "utf8"), /config_path/);
    assert.equal(await journalOf(containerd), null);
  });
}

for (const step of BAD_STEPS) {
  test(`takeover killed at "${step}", with a containerd that does not come back: the old bytes, and it serves`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const startsIf = (dir: string) => `! grep -q config_path ${dir}/etc/containerd/config.toml`;
    const containerd = await startSupervised(workspace, { version: "1.7", configToml: () => CONFIG, startsIf });
    await pass(containerd, { killAt: step, policy: HASTY });
    assert.equal(await pass(containerd, { policy: HASTY }), "failed");
    await assertServes(containerd);
    assert.equal(await pass(containerd), "refused");
    assert.equal(await readFile(containerd.configPath, "utf8"), CONFIG);
    await assertServes(containerd);
    assert.equal(await journalOf(containerd), null);
  });
}

const withPath = (etc: string): string =>
  `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${etc}/certs.d"\n`;

async function seen({ configPath, dir }: SupervisedContainerd) {
  const { mode } = await stat(configPath);
  const text = await readFile(configPath, "utf8");
  return { text, mode: (mode & 0o777).toString(8), names: await readdir(join(dir, "etc/containerd")) };
}

for (const step of GOOD_STEPS) {
  test(`takeover of a credential killed at "${step}": restarted once, root's alone, nothing kept of it`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const containerd = await startSupervised(workspace, { version: "1.7", configToml: withPath });
    const password = "hunter2";
    await pass(containerd, { killAt: step, password });
    assert.equal(await pass(containerd, { password, policy: afterwards(step) }), "done");
    assert.equal(await pass(containerd, { password }), "settled");
    assert.equal(await containerd.starts(), 2);
    const { text, mode, names } = await seen(containerd);
    assert.match(text, /^ *password = "hunter2"$/m);
    assert.deepEqual([mode, names], ["600", ["config.toml"]]);
    assert.doesNotMatch(await readFile(join(containerd.dir, "state/containerd.json"), "utf8"), /hunter2/);
  });
}

for (const step of BAD_STEPS) {
  test(`takeover of a changed credential killed at "${step}", with which containerd does not come back: the one before`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const startsIf = (dir: string) => `! grep -q hunter3 ${dir}/etc/containerd/config.toml`;
    const containerd = await startSupervised(workspace, { version: "1.7", configToml: withPath, startsIf });
    assert.equal(await pass(containerd, { password: "hunter2" }), "done");
    const before = await seen(containerd);
    const changed = { password: "hunter3", policy: HASTY };
    await pass(containerd, { ...changed, killAt: step });
    assert.equal(await pass(containerd, changed), "failed");
    await assertServes(containerd);
    assert.equal(await pass(containerd, changed), "refused");
    assert.deepEqual(await seen(containerd), before);
    await assertServes(containerd);
    assert.doesNotMatch(await readFile(join(containerd.dir, "state/containerd.json"), "utf8"), /hunter/);
    assert.equal(await pass(containerd, { password: "hunter4" }), "done", "another is another try");
  });
}
