// A restart that is owed is not lost and not done twice, wherever the process that does it is killed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { performTakeover, resumeTakeover } from "../../src/node/restart.ts";
import { RestartMemory, rememberInEffect } from "../../src/node/restart-memory.ts";
import {
  configOf,
  OLD,
  POLICY,
  pass,
  planIn,
  portsOf,
  readWorld,
  restartContainerd,
  WANTED,
  type World,
  writeWorld,
} from "./restart-world.ts";

const NEW = `${OLD}config_path = "${WANTED}"\n`;
const BAD: Partial<World> = { breaksOn: WANTED };

function makeWorld(t: TestContext, world: Partial<World> = {}, config: string | null = OLD): string {
  const dir = mkdtempSync(join(tmpdir(), "mirror-agent-restart-"));
  t.after(() => rmSync(dir, { recursive: true }));
  if (config !== null) writeFileSync(join(dir, "config.toml"), config, { mode: 0o640 });
  writeWorld(dir, world);
  return dir;
}

async function remembered(dir: string) {
  return (await RestartMemory.open(join(dir, "state"))).now;
}

const signal = new AbortController().signal;

describe("performTakeover()", () => {
  test("performTakeover() edits, restarts once, and leaves nothing owed", async (t) => {
    const dir = makeWorld(t);
    assert.deepEqual(await pass(dir), { kind: "done", restarted: true });
    assert.equal(configOf(dir), NEW);
    assert.equal(readWorld(dir).starts, 2);
    assert.equal(statSync(join(dir, "config.toml")).mode & 0o777, 0o640);
    const { journal, inEffect, edits } = await remembered(dir);
    assert.equal(journal, null);
    assert.deepEqual(inEffect, { daemon: "boot:2", configPath: WANTED, auths: {} });
    assert.deepEqual(Object.keys(edits), [join(dir, "config.toml")]);
    assert.equal(await pass(dir), null);
  });

  test("performTakeover() puts the old bytes back, restarts once more, and does not try again", async (t) => {
    const dir = makeWorld(t, BAD);
    const because = "containerd did not come back with the new configuration: the CRI plugin is not loaded";
    assert.deepEqual(await pass(dir), { kind: "failed", because, recovered: true });
    assert.equal(configOf(dir), OLD);
    assert.deepEqual([readWorld(dir).starts, readWorld(dir).loaded], [3, OLD]);
    assert.deepEqual((await remembered(dir)).failed, { key: "key", because });
    assert.deepEqual((await remembered(dir)).edits, {});
    assert.equal(await pass(dir), null);
    assert.equal(readWorld(dir).starts, 3);
  });

  test("performTakeover() removes the file that it made when containerd does not come back", async (t) => {
    const dir = makeWorld(t, BAD, null);
    await pass(dir);
    assert.equal(configOf(dir), null);
  });

  test("performTakeover() does not write over what somebody wrote into the file meanwhile", async (t) => {
    const dir = makeWorld(t, BAD);
    const onStep = (step: string) => {
      if (step === "restarted") writeFileSync(join(dir, "config.toml"), "# theirs\n");
    };
    await pass(dir, { onStep });
    assert.equal(configOf(dir), "# theirs\n");
  });

  test("performTakeover() changes nothing when the binary would not load the result", async (t) => {
    const dir = makeWorld(t);
    const memory = await RestartMemory.open(join(dir, "state"));
    const ports = { ...portsOf(dir), findLoadProblem: async () => "no" };
    const change = await planIn(dir, memory);
    assert.ok(change);
    const outcome = await performTakeover(change, { memory, ports, policy: POLICY }, signal);
    assert.deepEqual(outcome, { kind: "refused", because: "no" });
    assert.deepEqual([configOf(dir), readWorld(dir).starts, memory.now.journal], [OLD, 1, null]);
  });

  test("performTakeover() is not content with the daemon that ran before", async (t) => {
    const dir = makeWorld(t);
    const memory = await RestartMemory.open(join(dir, "state"));
    const change = await planIn(dir, memory);
    assert.ok(change);
    const ports = { ...portsOf(dir), restart: async () => "the command failed" };
    const outcome = await performTakeover(change, { memory, ports, policy: POLICY }, signal);
    const because =
      "containerd did not come back with the new configuration: it was not restarted (the command failed)";
    assert.deepEqual(outcome, { kind: "failed", because, recovered: false });
    assert.equal(configOf(dir), OLD);
  });

  test("performTakeover() remembers the first edit of a file through a second that fails", async (t) => {
    const dir = makeWorld(t);
    await pass(dir);
    const first = (await remembered(dir)).edits;
    writeWorld(dir, { breaksOn: "/second" });
    const memory = await RestartMemory.open(join(dir, "state"));
    const [text, path] = [configOf(dir) ?? "", join(dir, "config.toml")];
    const kept = first[path];
    assert.ok(kept?.undo);
    const undo = { ...kept.undo, value: "/second" };
    const edit = {
      path,
      oldText: text,
      newText: text.replace(WANTED, "/second"),
      undo,
      drops: [],
      auths: [],
      isRestore: false,
    };
    const change = {
      kind: "change",
      because: "",
      edit,
      restart: "now",
      daemon: "boot:2",
      key: "2",
      wanted: "/second",
      auths: {},
    } as const;
    const outcome = await performTakeover(change, { memory, ports: portsOf(dir), policy: POLICY }, signal);
    assert.equal(outcome.kind, "failed");
    assert.deepEqual((await remembered(dir)).edits, first);
  });

  test("performTakeover() waits for pulls, and restarts after two quiet looks", async (t) => {
    const dir = makeWorld(t, { pulls: [2, 1, 0, 1, 0, 0] });
    let left: number[] | null = null;
    await pass(dir, {
      onStep: (step) => {
        if (step === "restarting") left = readWorld(dir).pulls;
      },
    });
    assert.deepEqual(left, []);
  });

  test("performTakeover() does not wait for pulls longer than it may", async (t) => {
    const dir = makeWorld(t, { pulls: Array.from({ length: 100 }, () => 1) });
    const memory = await RestartMemory.open(join(dir, "state"));
    const change = await planIn(dir, memory);
    assert.ok(change);
    const policy = { ...POLICY, pullsWithinMs: 1 };
    const outcome = await performTakeover(change, { memory, ports: portsOf(dir), policy }, signal);
    assert.deepEqual(outcome, { kind: "done", restarted: true });
  });

  test("performTakeover() leaves the restart to the operator where it is told so, and checks theirs", async (t) => {
    const dir = makeWorld(t);
    assert.deepEqual(await pass(dir, { restart: "owed" }), { kind: "owed", because: "test" });
    assert.deepEqual(await pass(dir, { restart: "owed" }), { kind: "owed", because: "test" });
    assert.deepEqual([configOf(dir), readWorld(dir).starts], [NEW, 1]);
    assert.equal((await remembered(dir)).journal?.step, "owed");
    restartContainerd(dir);
    assert.deepEqual(await pass(dir, { restart: "owed" }), { kind: "done", restarted: true });
    assert.deepEqual([readWorld(dir).starts, (await remembered(dir)).journal], [2, null]);
  });

  test("performTakeover() rolls back also when the operator's own restart fails", async (t) => {
    const dir = makeWorld(t, BAD);
    await pass(dir, { restart: "owed" });
    restartContainerd(dir);
    const outcome = await pass(dir, { restart: "owed" });
    assert.equal(outcome?.kind, "failed");
    assert.equal(configOf(dir), OLD);
  });

  test("performTakeover() takes up an owed restart once it may, with the edit to roll back", async (t) => {
    const dir = makeWorld(t, BAD);
    await pass(dir, { restart: "owed" });
    assert.equal((await pass(dir))?.kind, "failed");
    assert.deepEqual([configOf(dir), readWorld(dir).starts], [OLD, 3]);
  });

  test("performTakeover() goes back to what was loaded last, past an edit that never was", async (t) => {
    const dir = makeWorld(t, { breaksOn: "/second" });
    await pass(dir, { restart: "owed" });
    const memory = await RestartMemory.open(join(dir, "state"));
    const path = join(dir, "config.toml");
    const kept = memory.now.edits[path];
    assert.ok(kept);
    const edit = {
      path,
      oldText: NEW,
      newText: NEW.replace(WANTED, "/second"),
      undo: kept.undo,
      drops: [],
      auths: [],
      isRestore: false,
    };
    const change = {
      kind: "change",
      because: "",
      edit,
      restart: "now",
      daemon: "boot:1",
      key: "2",
      wanted: "/second",
      auths: {},
    } as const;
    const outcome = await performTakeover(change, { memory, ports: portsOf(dir), policy: POLICY }, signal);
    assert.equal(outcome.kind, "failed");
    assert.deepEqual([configOf(dir), memory.now.edits], [OLD, {}]);
  });

  test("performTakeover() only edits where no containerd runs", async (t) => {
    const dir = makeWorld(t, { starts: 0, loaded: null });
    assert.deepEqual(await pass(dir, { restart: "none" }), { kind: "done", restarted: false });
    assert.deepEqual([configOf(dir), readWorld(dir).starts, (await remembered(dir)).journal], [NEW, 0, null]);
  });

  test("performTakeover() leaves an owed restart on disk when it is told to stop while it waits", async (t) => {
    const dir = makeWorld(t);
    const memory = await RestartMemory.open(join(dir, "state"));
    const change = await planIn(dir, memory);
    assert.ok(change);
    const stop = new AbortController();
    const ports = portsOf(dir, (step) => {
      if (step === "owed") stop.abort();
    });
    const run = { memory, ports, policy: { ...POLICY, spreadMs: 60_000 } };
    await assert.rejects(performTakeover(change, run, stop.signal), { name: "AbortError" });
    assert.equal((await remembered(dir)).journal?.step, "owed");
    assert.deepEqual(await pass(dir), { kind: "done", restarted: true });
    assert.equal(readWorld(dir).starts, 2);
  });
});

describe("resumeTakeover()", () => {
  test("resumeTakeover() leaves a containerd alone that somebody has stopped", async (t) => {
    const dir = makeWorld(t);
    await pass(dir, { restart: "owed" });
    writeWorld(dir, { starts: 0 });
    const memory = await RestartMemory.open(join(dir, "state"));
    assert.equal(await resumeTakeover({ memory, ports: portsOf(dir), policy: POLICY }, signal), null);
    assert.deepEqual([readWorld(dir).starts, memory.now.journal?.step], [0, "owed"]);
  });

  const GOOD_STEPS = ["editing", "edited", "owed", "restarting", "restarted"];
  const BAD_STEPS = [...GOOD_STEPS, "rolling-back", "rolled-back", "restarting-old", "restarted-old"];

  for (const step of GOOD_STEPS) {
    test(`resumeTakeover() after kill -9 at "${step}": one restart, nothing owed`, async (t) => {
      const dir = makeWorld(t);
      killAt(dir, step);
      await pass(dir);
      assert.deepEqual([configOf(dir), readWorld(dir).starts], [NEW, 2]);
      assert.equal((await remembered(dir)).journal, null);
      assert.equal(await pass(dir), null);
    });
  }

  for (const step of BAD_STEPS) {
    test(`resumeTakeover() after kill -9 at "${step}" of a change that fails: the old bytes, two restarts`, async (t) => {
      const dir = makeWorld(t, BAD);
      killAt(dir, step);
      await pass(dir);
      assert.deepEqual([configOf(dir), readWorld(dir).starts, readWorld(dir).loaded], [OLD, 3, OLD]);
      const { journal, failed, edits } = await remembered(dir);
      assert.deepEqual([journal, failed?.key, edits], [null, "key", {}]);
      assert.equal(await pass(dir), null);
    });
  }
});

describe("RestartMemory", () => {
  test("RestartMemory is for root alone, and refuses what it cannot read", async (t) => {
    const dir = makeWorld(t);
    await pass(dir, { restart: "owed" });
    const path = join(dir, "state/containerd.json");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    writeFileSync(path, readFileSync(path, "utf8").replace('"schema": 1', '"schema": 2'));
    await assert.rejects(RestartMemory.open(join(dir, "state")), /was written by a newer version/);
    writeFileSync(path, "{");
    await assert.rejects(RestartMemory.open(join(dir, "state")), /is not JSON/);
  });
});

function killAt(dir: string, step: string): void {
  const { signal: ended, stderr } = spawnSync(process.execPath, [
    join(import.meta.dirname, "restart-world.ts"),
    dir,
    step,
  ]);
  assert.equal(ended, "SIGKILL", stderr.toString());
}

test("rememberInEffect() writes what a daemon has loaded, once", async (t) => {
  const dir = makeWorld(t);
  const memory = await RestartMemory.open(join(dir, "state"));
  await rememberInEffect(memory, { daemon: "boot:1", configPath: WANTED, auths: {} });
  assert.deepEqual((await remembered(dir)).inEffect, { daemon: "boot:1", configPath: WANTED, auths: {} });
  const before = statSync(join(dir, "state/containerd.json"), { bigint: true });
  await rememberInEffect(memory, { daemon: "boot:1", configPath: WANTED, auths: {} });
  assert.equal(statSync(join(dir, "state/containerd.json"), { bigint: true }).ino, before.ino);
});
