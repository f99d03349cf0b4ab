// Imports as containerd expands them: which files, and in which order.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { type TestContext, test } from "node:test";
import { readChangedAtMs, readConfigFiles } from "../../src/node/containerd-files.ts";

const V16 = { major: 1, minor: 6, patch: 20 };
const V17 = { major: 1, minor: 7, patch: 24 };

async function folder(t: TestContext, files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "mirror-agent-files-"));
  t.after(() => rm(dir, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return dir;
}

async function load(dir: string, version = V17, workingFolder = "/"): Promise<string[]> {
  const files = await readConfigFiles(join(dir, "root.toml"), { version, workingFolder });
  return files.map(({ path, text }) => `${relative(dir, path)}${text === null ? " (absent)" : ""}`);
}

test("readConfigFiles() goes breadth first, sorts globs, takes each file once and ends in a circle", async (t) => {
  const dir = await folder(t, {
    "root.toml": 'imports = ["conf.d/*.toml", "last.toml"]\n',
    "conf.d/b.toml": "",
    "conf.d/a.toml": 'imports = ["deep/*", "../root.toml", "b.toml"]\n',
    "conf.d/Z.toml": "",
    "conf.d/.hidden.toml": "",
    "conf.d/note.txt": "",
    "conf.d/deep/c.toml": "",
    "last.toml": "",
  });
  const want = ["root.toml", "conf.d/.hidden.toml", "conf.d/Z.toml", "conf.d/a.toml", "conf.d/b.toml", "last.toml"];
  assert.deepEqual(await load(dir), [...want, "conf.d/deep/c.toml"]);
});

test("readConfigFiles() tells absent files, but not globs that match nothing", async (t) => {
  const dir = await folder(t, { "root.toml": 'imports = ["none/*.toml", "gone.toml", "*/x/*.toml"]\n' });
  assert.deepEqual(await load(dir), ["root.toml", "gone.toml (absent)"]);
  assert.deepEqual(await load(join(dir, "nowhere")), ["root.toml (absent)"]);
});

test("readConfigFiles() searches a relative glob from the daemon's folder on 1.6", async (t) => {
  const dir = await folder(t, {
    "root.toml": 'imports = ["conf.d/*.toml", "conf.d/named.toml"]\n',
    "conf.d/named.toml": "",
    "cwd/conf.d/a.toml": "",
  });
  assert.deepEqual(await load(dir, V16, join(dir, "cwd")), ["root.toml", "cwd/conf.d/a.toml", "conf.d/named.toml"]);
  assert.deepEqual(await load(dir, V17, join(dir, "cwd")), ["root.toml", "conf.d/named.toml"]);
});

test("readChangedAtMs() sees a change that kept the time of modification", async (t) => {
  const dir = await folder(t, { "root.toml": "" });
  const files = [
    { path: join(dir, "root.toml"), text: "" },
    { path: join(dir, "none"), text: null },
  ];
  const before = Date.now() - 1000;
  await utimes(join(dir, "root.toml"), 1, 1);
  assert.ok(((await readChangedAtMs(files, Date.now())) ?? 0) >= before);
  assert.equal(await readChangedAtMs(files.slice(1), Date.now()), null);
});

test("readChangedAtMs() believes no change that is yet to come: the clock is behind", async (t) => {
  const dir = await folder(t, { "root.toml": "" });
  assert.equal(await readChangedAtMs([{ path: join(dir, "root.toml"), text: "" }], Date.UTC(1970, 0, 1, 0, 10)), null);
});
