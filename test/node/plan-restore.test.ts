// Giving containerd's configuration back: the original bytes, or our value out of what others made of it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fingerprintAuth } from "../../src/core/containerd-config/auth-fingerprint.ts";
import { editAuth } from "../../src/core/containerd-config/edit-auth.ts";
import { createConfigPath, editConfigPath } from "../../src/core/containerd-config/edit-config-path.ts";
import type { ObservedContainerd } from "../../src/core/containerd-config/observed-containerd.ts";
import { resolveConfig } from "../../src/core/containerd-config/resolve-config.ts";
import { planRestore } from "../../src/node/plan-restore.ts";
import type { Journal, KeptEdit, Remembered } from "../../src/node/restart-memory.ts";

const VERSION = { major: 1, minor: 7, patch: 24 };
const WISH = { plugin: "io.containerd.grpc.v1.cri", wanted: "/certs.d" };
const ORIGINAL = "version = 2\n";
const edit = editConfigPath(ORIGINAL, WISH);
const made = createConfigPath("", { ...WISH, version: 2 });
assert.ok(edit.ok && made.ok);

function keep(text: string, undo: KeptEdit["undo"], created = false): KeptEdit {
  return { undo, auths: {}, mode: null, created, sha256: createHash("sha256").update(text).digest("hex") };
}

function owedAt(path: string, newText: string | null): Journal {
  const edit = {
    path,
    oldText: ORIGINAL,
    newText,
    isRestore: false,
    kept: null,
    mode: 0o644,
    newMode: 0o644,
    owner: null,
  };
  return { step: "owed", edit, daemon: "b:1:1", key: "k", wanted: "/certs.d", auths: {}, failure: null };
}

async function plan(
  t: TestContext,
  text: string | null,
  kept: KeptEdit,
  changes: Partial<ObservedContainerd> = {},
  configOf = (path: string) => resolveConfig([{ path, text }], VERSION),
  { original = ORIGINAL as string | null, owed = false } = {},
) {
  const dir = mkdtempSync(join(tmpdir(), "mirror-agent-restore-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "config.toml");
  if (text !== null) writeFileSync(path, text);
  const unit = { name: "containerd.service", killMode: "process" };
  const daemon = {
    identity: "b:1:1",
    pid: 1,
    startedAtMs: 0,
    version: VERSION,
    workingFolder: "/",
    unit,
    criProblem: null,
  };
  const config = configOf(path);
  const base = { socket: "", daemon, binary: "", version: VERSION, managedBy: null, config, configChangedAtMs: 0 };
  const remembered: Remembered = {
    journal: owed ? owedAt(path, text) : null,
    edits: { [path]: kept },
    inEffect: null,
    failed: null,
    lastRestartAtMs: null,
    fingerprintKey: "key",
  };
  const options = { restart: "when-needed", readOriginal: async () => original } as const;
  const { changes: planned, refused } = await planRestore({ ...base, ...changes }, remembered, options);
  return {
    texts: planned.map((change) => change.edit?.newText),
    restarts: planned.map((change) => change.restart),
    refused,
  };
}

test("planRestore() puts the original back where nobody has touched our file, and restarts", async (t) => {
  const planned = await plan(t, edit.text, keep(edit.text, edit.undo));
  assert.deepEqual(planned, { texts: [ORIGINAL], restarts: ["now"], refused: [] });
});

test("planRestore() puts back what an edit cannot, such as mirrors that were converted", async (t) => {
  const converted = edit.text.replace("version = 2\n", "version = 2 # converted\n");
  assert.deepEqual((await plan(t, converted, keep(converted, edit.undo))).texts, [ORIGINAL]);
});

test("planRestore() needs no restart where another file decides config_path", async (t) => {
  const config = (path: string) =>
    resolveConfig(
      [
        { path, text: edit.text },
        { path: "/drop-in.toml", text: edit.text.replace("/certs.d", "/theirs") },
      ],
      VERSION,
    );
  const planned = await plan(t, edit.text, keep(edit.text, edit.undo), {}, config);
  assert.deepEqual(planned, { texts: [ORIGINAL], restarts: ["none"], refused: [] });
});

test("planRestore() takes only our value out of a file that somebody has edited", async (t) => {
  const planned = await plan(t, `${edit.text}[debug]\nlevel = "info"\n`, keep(edit.text, edit.undo));
  assert.deepEqual(planned.texts, [`${ORIGINAL}[debug]\nlevel = "info"\n`]);
});

test("planRestore() removes a file that is ours whole, and keeps what others put into it", async (t) => {
  assert.deepEqual((await plan(t, made.text, keep(made.text, made.undo, true))).texts, [null]);
  assert.deepEqual((await plan(t, `${made.text}# theirs\n`, keep(made.text, made.undo, true))).texts, ["# theirs\n"]);
});

test("planRestore() has nothing to do where our value is gone, or the file", async (t) => {
  for (const text of [ORIGINAL, null]) {
    assert.deepEqual(await plan(t, text, keep(edit.text, edit.undo)), { texts: [], restarts: [], refused: [] });
  }
});

test("planRestore() names a file that it cannot read", async (t) => {
  const planned = await plan(t, "[broken", keep(edit.text, edit.undo));
  assert.deepEqual(planned.texts, []);
  assert.match(planned.refused[0]?.because ?? "", /^line 1, column \d+: /);
});

test("planRestore() leaves the restart to the operator where it would end containers, and needs none without a daemon", async (t) => {
  const kept = keep(edit.text, edit.undo);
  const unit = { name: "containerd.service", killMode: "mixed" };
  const daemon = {
    identity: "b:1:1",
    pid: 1,
    startedAtMs: 0,
    version: VERSION,
    workingFolder: "/",
    unit,
    criProblem: null,
  };
  assert.deepEqual((await plan(t, edit.text, kept, { daemon })).restarts, ["owed"]);
  assert.deepEqual((await plan(t, edit.text, kept, { daemon: null })).restarts, ["none"]);
});

test("planRestore() needs no restart where the running containerd has never loaded our value", async (t) => {
  const kept = keep(edit.text, edit.undo);
  const restarts = async (text: string) => (await plan(t, text, kept, {}, undefined, { owed: true })).restarts;
  assert.deepEqual(await restarts(edit.text), ["none"]);
  assert.deepEqual(await restarts(`${edit.text}# theirs\n`), ["now"], "what it leads to was never loaded");
});

test("planRestore() takes our value out where the original is lost, and never the file with it", async (t) => {
  const planned = await plan(t, edit.text, keep(edit.text, edit.undo), {}, undefined, { original: null });
  assert.deepEqual(planned.texts, [ORIGINAL]);
});

const AUTHS = { "m:5000": fingerprintAuth("key", "m:5000", { username: "joe", password: "hunter2" }) };

function withAuth(text: string, password = "hunter2"): string {
  const made = editAuth(text, { plugin: WISH.plugin, host: "m:5000", auth: { username: "joe", password } });
  assert.ok(made.ok);
  return made.text;
}

test("planRestore() takes a credential out, also without config_path, with a restart that makes containerd forget it", async (t) => {
  const theirs = '[debug]\nlevel = "info"\n';
  const [alone, both] = [withAuth(ORIGINAL), withAuth(edit.text)];
  const keptAlone = { ...keep(alone, null), auths: AUTHS, mode: 0o640 };
  assert.deepEqual(await plan(t, alone, keptAlone), { texts: [ORIGINAL], restarts: ["now"], refused: [] });
  const changed = await plan(t, `${alone}${theirs}`, keptAlone);
  assert.deepEqual([changed.texts, changed.restarts], [[`${ORIGINAL}${theirs}`], ["now"]]);
  const keptBoth = { ...keep(both, edit.undo), auths: AUTHS, mode: 0o640 };
  assert.deepEqual((await plan(t, `${both}${theirs}`, keptBoth)).texts, [`${ORIGINAL}${theirs}`]);
});

test("planRestore() leaves a credential that somebody has changed since", async (t) => {
  const theirs = withAuth(ORIGINAL, "theirs");
  const kept = { ...keep(withAuth(ORIGINAL), null), auths: AUTHS, mode: 0o640 };
  assert.deepEqual(await plan(t, theirs, kept), { texts: [], restarts: [], refused: [] });
});
