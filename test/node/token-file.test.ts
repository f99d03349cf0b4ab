import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Secret } from "../../src/core/credentials/secret.ts";
import { readKeptToken, writeKeptTokens } from "../../src/node/token-file.ts";

const keyJson = new Secret('{"private_key":"hunter2"}');
const other = new Secret('{"private_key":"other"}');
const KEPT = { keyJson, token: new Secret("ya29"), expiresAtMs: 7_200_000, lifetimeMs: 3_600_000 };

const NONE = ["null", "[]", '{"schema":1}', '{"schema":1,"tokens":null}', '{"schema":1,"tokens":7}'];

function makeFolder(t: TestContext): { dir: string; path: string } {
  const dir = mkdtempSync(join(tmpdir(), "mirror-agent-tokens-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return { dir: join(dir, "state"), path: join(dir, "state/google-tokens.json") };
}

test("readKeptToken() gives what writeKeptTokens() kept, to the same key alone", async (t) => {
  const { dir, path } = makeFolder(t);
  assert.equal(await readKeptToken(dir, keyJson), null);
  await writeKeptTokens(dir, [KEPT]);
  const found = await readKeptToken(dir, keyJson);
  assert.deepEqual([found?.token.reveal(), found?.expiresAtMs, found?.lifetimeMs], ["ya29", 7_200_000, 3_600_000]);
  assert.equal(await readKeptToken(dir, other), null);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(path, "utf8"), /hunter2/);
});

test("writeKeptTokens() writes only what is new, forgets what it is not given, and leaves no empty file", async (t) => {
  const { dir, path } = makeFolder(t);
  await writeKeptTokens(dir, [KEPT, { ...KEPT, keyJson: other }]);
  const { ino } = statSync(path, { bigint: true });
  await writeKeptTokens(dir, [KEPT, { ...KEPT, keyJson: other }]);
  assert.equal(statSync(path, { bigint: true }).ino, ino);
  await writeKeptTokens(dir, [KEPT]);
  assert.equal(await readKeptToken(dir, other), null);
  await writeKeptTokens(dir, []);
  assert.deepEqual(readdirSync(dir), []);
});

test("readKeptToken() takes a damaged file for none", async (t) => {
  const { dir, path } = makeFolder(t);
  await writeKeptTokens(dir, [KEPT]);
  const text = readFileSync(path, "utf8");
  for (const bad of [text.slice(0, -9), text.replace('"ya29"', "7"), text.replace("7200000", '"x"'), ...NONE]) {
    writeFileSync(path, bad);
    assert.equal(await readKeptToken(dir, keyJson), null, bad);
  }
});
