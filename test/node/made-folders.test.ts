import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { rememberMissingFolders, removeMadeFolders } from "../../src/node/made-folders.ts";
import { createWorkspace } from "../lab/workspace.ts";

test("removeMadeFolders() takes away what was not there before, and nothing else", async () => {
  await using workspace = await createWorkspace();
  const state = await workspace.folder("state");
  const etc = await workspace.folder("etc");
  await rememberMissingFolders(state, `${etc}/containerd/certs.d`);
  await mkdir(`${etc}/containerd/certs.d`, { recursive: true });
  await rememberMissingFolders(state, `${etc}/containerd/certs.d`);
  await removeMadeFolders(state);
  assert.deepEqual(await readdir(etc), []);
  await removeMadeFolders(state);
});

test("removeMadeFolders() leaves what others have put there, and what was there before", async () => {
  await using workspace = await createWorkspace();
  const state = await workspace.folder("state");
  const before = await workspace.folder("etc/containerd");
  await rememberMissingFolders(state, `${before}/certs.d`);
  await mkdir(`${before}/certs.d`);
  await writeFile(`${before}/certs.d/note`, "mine");
  await removeMadeFolders(state);
  assert.deepEqual(await readdir(before), ["certs.d"]);

  const empty = await workspace.folder("other/certs.d");
  await rememberMissingFolders(state, empty);
  await removeMadeFolders(state);
  assert.deepEqual(await readdir(`${workspace.dir}/other`), ["certs.d"]);
});
