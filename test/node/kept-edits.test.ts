// What is kept of our edits of containerd's files, through everything that others do to them in between.

import assert from "node:assert/strict";
import { test } from "node:test";
import { editAuth } from "../../src/core/containerd-config/edit-auth.ts";
import { editConfigPath } from "../../src/core/containerd-config/edit-config-path.ts";
import type { FileEdit } from "../../src/core/containerd-config/find-edit.ts";
import { holdsOurs, withEdit } from "../../src/node/kept-edits.ts";

const path = "/etc/containerd/config.toml";
const plugin = "io.containerd.grpc.v1.cri";
const ORIGINAL = "version = 2\n";
const KEY = "key";
const PLAIN = { mode: 0o644, fingerprintKey: KEY };

function edit(oldText: string, wanted: string): FileEdit & { readonly newText: string } {
  const made = editConfigPath(oldText, { plugin, wanted });
  assert.ok(made.ok);
  return { path, oldText, newText: made.text, undo: made.undo, drops: [], auths: [], isRestore: false };
}

const first = edit(ORIGINAL, "/certs.d");
const kept = withEdit({}, first, PLAIN);

test("withEdit() leads back to the original over several edits of ours", () => {
  const second = edit(first.newText, "/other");
  assert.equal(holdsOurs(kept, second, KEY), true);
  const after = withEdit(kept, second, PLAIN)[path];
  assert.deepEqual([after?.undo?.previousRaw, after?.undo?.value, after?.created], [null, "/other", false]);
  assert.notEqual(after?.sha256, kept[path]?.sha256);
});

test("withEdit() begins anew where somebody has taken our value out or put a file of their own there", () => {
  const theirs = "version = 2\n# theirs\n";
  assert.equal(holdsOurs(kept, { path, oldText: theirs }, KEY), false);
  const again = edit(theirs, "/certs.d");
  assert.deepEqual(withEdit(kept, again, PLAIN), withEdit({}, again, PLAIN));
  assert.equal(holdsOurs(kept, { path, oldText: null }, KEY), false, "it was removed");
});

test("withEdit() gives the original bytes up where others' changes stand beside our value", () => {
  const mixed = edit(`${first.newText}# theirs\n`, "/other");
  assert.equal(holdsOurs(kept, mixed, KEY), true);
  const after = withEdit(kept, mixed, PLAIN)[path];
  assert.deepEqual([after?.sha256, after?.undo?.previousRaw], ["", null]);
});

test("holdsOurs() takes a file that was never edited for the operator's", () => {
  assert.equal(holdsOurs({}, first, KEY), false);
});

const AUTH = { username: "joe", password: "hunter2" };

function authEdit(oldText: string, auth: typeof AUTH | null): FileEdit & { readonly newText: string } {
  const made = editAuth(oldText, { plugin, host: "m:5000", auth });
  assert.ok(made.ok);
  const auths = [{ host: "m:5000", auth }];
  return { path, oldText, newText: made.text, undo: null, drops: [], auths, isRestore: false };
}

test("withEdit() keeps a keyed hash of a credential, and the file's own mode, until nothing of ours is left", () => {
  const set = authEdit(ORIGINAL, AUTH);
  const with1 = withEdit({}, set, { ...PLAIN, mode: 0o640 });
  assert.deepEqual(
    [with1[path]?.mode, with1[path]?.undo, Object.keys(with1[path]?.auths ?? {})],
    [0o640, null, ["m:5000"]],
  );
  assert.doesNotMatch(JSON.stringify(with1), /hunter2/);
  assert.notDeepEqual(withEdit({}, set, { mode: 0o640, fingerprintKey: "other" })[path]?.auths, with1[path]?.auths);

  const changed = withEdit(with1, authEdit(set.newText, { ...AUTH, password: "x" }), { ...PLAIN, mode: 0o600 });
  assert.equal(changed[path]?.mode, 0o640, "not that of the file while it was ours");
  assert.deepEqual(withEdit(with1, authEdit(set.newText, null), { ...PLAIN, mode: 0o600 }), {});
});

test("withEdit() lets a credential come and go beside config_path, which still leads back", () => {
  const set = authEdit(first.newText, AUTH);
  const both = withEdit(kept, set, PLAIN);
  assert.equal(both[path]?.undo?.value, "/certs.d");
  const after = withEdit(both, authEdit(set.newText, null), { ...PLAIN, mode: 0o600 });
  assert.deepEqual(after, kept);
});

test("holdsOurs() knows a credential of ours in a file that others have changed, and another's from it", () => {
  const set = authEdit(ORIGINAL, AUTH);
  const edits = withEdit({}, set, PLAIN);
  assert.equal(holdsOurs(edits, { path, oldText: `${set.newText}# theirs\n` }, KEY), true);
  const theirs = set.newText.replace("hunter2", "theirs");
  assert.equal(holdsOurs(edits, { path, oldText: theirs }, KEY), false);
});
