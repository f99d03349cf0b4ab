import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isFolder, stampFile, stampFolder, stampTree } from "../../src/node/stamp.ts";

const folder = mkdtempSync(join(tmpdir(), "stamp-"));
after(() => rmSync(folder, { recursive: true }));

test("stampFile() stays the same while a file does", () => {
  assert.equal(stampFile(process.execPath), stampFile(process.execPath));
  assert.equal(stampFile(join(folder, "missing")), "ENOENT");
});

test("stampFile() trusts no file that changed so lately that it may change again unseen", () => {
  const path = join(folder, "fresh");
  writeFileSync(path, "a");
  assert.notEqual(stampFile(path), stampFile(path));
});

test("stampFolder() tells a folder from the one made in its place, but not by what is in it", () => {
  const path = join(folder, "folder");
  mkdirSync(path);
  const before = stampFolder(path);
  writeFileSync(join(path, "file"), "");
  assert.equal(stampFolder(path), before);
  rmSync(path, { recursive: true });
  mkdirSync(path);
  assert.notEqual(stampFolder(path), before);
});

test("stampTree() looks as deep as it is told", () => {
  const path = join(folder, "tree");
  mkdirSync(join(path, "inner"), { recursive: true });
  writeFileSync(join(path, "inner", "file"), "");
  assert.ok(stampTree(path, 2).includes("/inner/file "));
  assert.ok(!stampTree(path, 1).includes("/inner/file "));
});

test("isFolder() is true for a folder only", () => {
  symlinkSync(folder, join(folder, "link"));
  const paths = [
    folder,
    join(folder, "link"),
    process.execPath,
    join(process.execPath, "below"),
    join(folder, "missing"),
  ];
  assert.deepEqual(paths.map(isFolder), [true, false, false, false, false]);
});
