// What is kept of our edits of containerd's files, through everything that others do to them in between.

import assert from "node:assert/strict";
import { test } from "node:test";
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
