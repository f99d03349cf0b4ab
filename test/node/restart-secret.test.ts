// A credential in config.toml: who can read the file while it is there, and that it leaves with the edit that failed.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { editAuth, type RegistryAuth } from "../../src/core/containerd-config/edit-auth.ts";
import type { Change } from "../../src/core/containerd-config/plan-takeover.ts";
import { performTakeover, resumeTakeover } from "../../src/node/restart.ts";
import { RestartMemory } from "../../src/node/restart-memory.ts";
import { configOf, OLD, POLICY, portsOf, readWorld, type World, writeWorld } from "./restart-world.ts";

const HOST = "m:5000";
const HUNTER2 = { username: "joe", password: "hunter2" };
const signal = new AbortController().signal;

function makeWorld(t: TestContext, world: Partial<World> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), "mirror-agent-secret-"));
  t.after(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, "config.toml"), OLD, { mode: 0o640 });
  writeWorld(dir, world);
  return dir;
}

async function put(
  dir: string,
  auth: RegistryAuth | null,
  restart: Change["restart"] = "now",
  onStep?: (step: string) => void,
) {
  const memory = await RestartMemory.open(join(dir, "state"));
  const run = { memory, ports: portsOf(dir, onStep), policy: POLICY };
  await resumeTakeover(run, signal);
  const oldText = configOf(dir) ?? "";
  const made = editAuth(oldText, { plugin: "io.containerd.grpc.v1.cri", host: HOST, auth });
  assert.ok(made.ok);
  const auths = [{ host: HOST, auth }];
  const edit = {
    path: join(dir, "config.toml"),
    oldText,
    newText: made.text,
    undo: null,
    drops: [],
    auths,
    isRestore: false,
  };
  const daemon = `boot:${readWorld(dir).starts}`;
  const change = {
    kind: "change",
    because: "test",
    edit,
    restart,
    daemon,
    key: "key",
    wanted: "/c",
    auths: {},
  } as const;
  return performTakeover(change, run, signal);
}

function modeOf(dir: string): string {
  return (statSync(join(dir, "config.toml")).mode & 0o777).toString(8);
}

function stateOf(dir: string): string {
  return readFileSync(join(dir, "state/containerd.json"), "utf8");
}

test("performTakeover() makes a file that holds a credential root's alone, before it does, until it holds none", async (t) => {
  const dir = makeWorld(t);
  const modes: string[] = [];
  await put(dir, HUNTER2, "now", (step) => {
    if (configOf(dir)?.includes("hunter2")) modes.push(`${step} ${modeOf(dir)}`);
  });
  assert.deepEqual(modes, ["edited 600", "owed 600", "restarting 600", "restarted 600"]);
  assert.doesNotMatch(stateOf(dir), /hunter2/);
  await put(dir, null, "none");
  assert.deepEqual([configOf(dir), modeOf(dir), readWorld(dir).starts], [OLD, "640", 2]);
  assert.deepEqual(JSON.parse(stateOf(dir)).edits, {});
});

test("performTakeover() puts bytes and mode back where containerd does not come back with a credential", async (t) => {
  const dir = makeWorld(t, { breaksOn: "hunter2" });
  assert.equal((await put(dir, HUNTER2)).kind, "failed");
  assert.deepEqual([configOf(dir), modeOf(dir)], [OLD, "640"]);
  assert.doesNotMatch(stateOf(dir), /hunter2/);
});

test("performTakeover() leads back past a credential that was never loaded", async (t) => {
  const dir = makeWorld(t, { breaksOn: "hunter" });
  assert.equal((await put(dir, HUNTER2, "owed")).kind, "owed");
  assert.equal((await put(dir, { ...HUNTER2, password: "hunter3" })).kind, "failed");
  assert.deepEqual([configOf(dir), modeOf(dir)], [OLD, "640"]);
  assert.doesNotMatch(stateOf(dir), /hunter/);
});
