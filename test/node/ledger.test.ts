import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Ledger } from "../../src/node/ledger.ts";

async function place(context: TestContext): Promise<{ state: string; file: string }> {
  const base = await mkdtemp(join(tmpdir(), "ledger-"));
  context.after(() => rm(base, { recursive: true }));
  const file = join(base, "hosts.toml");
  await writeFile(file, Buffer.from([0xff, 0x00, 0x0a]));
  await chmod(file, 0o640);
  return { state: join(base, "state"), file };
}

test("Ledger puts a file back byte for byte, with its mode, after a restart", async (context) => {
  const { state, file } = await place(context);
  await (await Ledger.open(state)).backUp(file);
  await writeFile(file, "ours");
  await chmod(file, 0o600);
  const later = await Ledger.open(state);
  assert.deepEqual([...later.paths], [file]);
  await later.restore(file);
  assert.deepEqual(await readFile(file), Buffer.from([0xff, 0x00, 0x0a]));
  assert.equal((await stat(file)).mode & 0o777, 0o640);
  assert.deepEqual([...(await Ledger.open(state)).paths], []);
  assert.deepEqual(await readdir(join(state, "backups")), []);
});

test("Ledger keeps the first original only", async (context) => {
  const { state, file } = await place(context);
  const ledger = await Ledger.open(state);
  await ledger.backUp(file);
  await writeFile(file, "ours");
  await ledger.backUp(file);
  await ledger.restore(file);
  assert.deepEqual(await readFile(file), Buffer.from([0xff, 0x00, 0x0a]));
});

test("Ledger keeps many files that are backed up at the same time", async (context) => {
  const { state, file } = await place(context);
  const files = Array.from({ length: 20 }, (_, index) => `${file}.${index}`);
  await Promise.all(files.map((path) => writeFile(path, path)));
  const ledger = await Ledger.open(state);
  await Promise.all(files.map((path) => ledger.backUp(path)));
  assert.deepEqual([...(await Ledger.open(state)).paths].sort(), files.sort());
});

test("Ledger has nothing to keep of a file that is not there", async (context) => {
  const { state, file } = await place(context);
  const ledger = await Ledger.open(state);
  await ledger.backUp(`${file}.absent`);
  assert.deepEqual([...ledger.paths], []);
});

test("Ledger.open() refuses a damaged ledger rather than losing originals", async (context) => {
  const { state, file } = await place(context);
  await (await Ledger.open(state)).backUp(file);
  await writeFile(join(state, "ledger.json"), "{ half");
  await assert.rejects(Ledger.open(state), /is not JSON/);
});

test("Ledger shows an original, and keeps another after it was told to forget it", async (context) => {
  const { state, file } = await place(context);
  await writeFile(file, "first");
  const ledger = await Ledger.open(state);
  await ledger.backUp(file);
  await writeFile(file, "second");
  assert.equal(await ledger.readOriginal(file), "first");
  await ledger.forget(file);
  assert.equal(await ledger.readOriginal(file), null);
  assert.deepEqual(await readdir(join(state, "backups")), []);
  await ledger.backUp(file);
  assert.equal(await (await Ledger.open(state)).readOriginal(file), "second");
});
