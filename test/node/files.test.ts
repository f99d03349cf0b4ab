import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  readTextIfThere,
  removeFile,
  removeFileAndEmptyFolder,
  removeTemporaries,
  TEMPORARY_PREFIX,
  writeFileAtomic,
} from "../../src/node/files.ts";

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "files-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

test("writeFileAtomic() makes folders, and leaves nothing but the file", async (context) => {
  const base = await folder(context);
  await writeFileAtomic(join(base, "a/b/hosts.toml"), "text", { mode: 0o600 });
  assert.equal(await readFile(join(base, "a/b/hosts.toml"), "utf8"), "text");
  assert.equal((await stat(join(base, "a/b/hosts.toml"))).mode & 0o777, 0o600);
  assert.deepEqual(
    [await readdir(base), await readdir(join(base, "a")), await readdir(join(base, "a/b"))],
    [["a"], ["b"], ["hosts.toml"]],
  );
});

test("writeFileAtomic() gives the wanted mode whatever the umask and the old mode were", async (context) => {
  const base = await folder(context);
  const path = join(base, "f");
  await writeFile(path, "old");
  await chmod(path, 0o777);
  await writeFileAtomic(path, "new", { mode: 0o644 });
  assert.equal((await stat(path)).mode & 0o777, 0o644);
});

// Looks at every file in a folder as fast as it can, and tells the modes that it saw and how often it looked.
const LOOK = `
  const [STOP, LOOKS] = [0, 1];
  const { readdirSync, statSync } = require("node:fs");
  const { parentPort, workerData: { folder, shared } } = require("node:worker_threads");
  const modes = new Set();
  const look = (path) => {
    try {
      const stats = statSync(path);
      if (stats.isFile()) modes.add((stats.mode & 0o777).toString(8));
      else for (const name of readdirSync(path)) look(path + "/" + name);
    } catch {}
  };
  parentPort.postMessage("ready");
  for (; Atomics.load(shared, STOP) === 0; Atomics.add(shared, LOOKS, 1)) look(folder);
  parentPort.postMessage([...modes]);
`;

test("writeFileAtomic() never shows a secret to others, not even for the moment of writing", async (context) => {
  const base = await folder(context);
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(LOOK, { eval: true, workerData: { folder: base, shared } });
  await once(worker, "message");
  const umask = process.umask(0);
  try {
    // A machine that is busy may let nobody look during the first fifty.
    for (let round = 0; round < 50 || Atomics.load(shared, 1) < 50; round++) {
      await writeFileAtomic(join(base, `${round % 10}/hosts.toml`), "secret", { mode: 0o600 });
    }
  } finally {
    process.umask(umask);
    Atomics.store(shared, 0, 1);
  }
  const [modes] = (await once(worker, "message")) as [string[]];
  assert.deepEqual(modes, ["600"], `in ${shared[1]} looks`);
});

test("writeFileAtomic() writes through a symbolic link", async (context) => {
  const base = await folder(context);
  await mkdir(join(base, "real"));
  await writeFile(join(base, "real/f"), "old");
  await symlink("real/f", join(base, "link"));
  await writeFileAtomic(join(base, "link"), "new", { mode: 0o644 });
  assert.ok((await lstat(join(base, "link"))).isSymbolicLink());
  assert.equal(await readFile(join(base, "real/f"), "utf8"), "new");
});

test("writeFileAtomic() keeps the old file and leaves no temporary one when it fails, nor names it", async (context) => {
  const base = await folder(context);
  await mkdir(join(base, "taken"));
  await writeFile(join(base, "taken/inside"), "");
  await assert.rejects(writeFileAtomic(join(base, "taken"), "new", { mode: 0o644 }), ({ message }: Error) => {
    return message.includes(`'${join(base, "taken")}'`) && !message.includes(TEMPORARY_PREFIX);
  });
  assert.deepEqual(await readdir(base), ["taken"]);
  assert.deepEqual(await readdir(join(base, "taken")), ["inside"]);
});

test("writeFileAtomic() shows a reader the old bytes or the new ones, never others", async (context) => {
  const base = await folder(context);
  const path = join(base, "f");
  const versions = ["a", "b"].map((letter) => letter.repeat(200_000));
  await writeFile(path, versions[0] as string);
  let writing = true;
  const reader = (async () => {
    while (writing) assert.ok(versions.includes(await readFile(path, "utf8")));
  })();
  for (let round = 0; round < 40; round++) await writeFileAtomic(path, versions[round % 2] as string, { mode: 0o644 });
  writing = false;
  await reader;
});

test("removeFileAndEmptyFolder() takes an empty folder along, and leaves one that holds more", async (context) => {
  const base = await folder(context);
  await writeFileAtomic(join(base, "gcr.io/hosts.toml"), "x", { mode: 0o644 });
  await writeFileAtomic(join(base, "docker.io/hosts.toml"), "x", { mode: 0o644 });
  await writeFile(join(base, "docker.io/ca.crt"), "theirs");
  await removeFileAndEmptyFolder(join(base, "gcr.io/hosts.toml"));
  await removeFileAndEmptyFolder(join(base, "docker.io/hosts.toml"));
  await removeFileAndEmptyFolder(join(base, "absent/hosts.toml"));
  assert.deepEqual(await readdir(base), ["docker.io"]);
  assert.deepEqual(await readdir(join(base, "docker.io")), ["ca.crt"]);
});

test("removeFile() says whether there was a file", async (context) => {
  const base = await folder(context);
  await writeFile(join(base, "f"), "");
  assert.deepEqual([await removeFile(join(base, "f")), await removeFile(join(base, "f"))], [true, false]);
});

test("removeTemporaries() removes what an interrupted write left, and nothing else", async (context) => {
  const base = await folder(context);
  await mkdir(join(base, `${TEMPORARY_PREFIX}1`));
  await writeFile(join(base, `${TEMPORARY_PREFIX}2`), "half");
  await writeFile(join(base, "theirs"), "");
  await removeTemporaries(base);
  await removeTemporaries(join(base, "absent"));
  assert.deepEqual(await readdir(base), ["theirs"]);
});

test("readTextIfThere() tells an absent file from one that cannot be read", async (context) => {
  const base = await folder(context);
  assert.equal(await readTextIfThere(join(base, "absent/f")), null);
  await assert.rejects(readTextIfThere(base));
});
