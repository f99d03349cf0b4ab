import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Credential } from "../../src/core/credentials/credential.ts";
import { type CredentialOwner, readCredential } from "../../src/node/credential-source.ts";

const KEY = JSON.stringify({ type: "service_account", client_email: "a@b", private_key: "hunter2" });
const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "credentials-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

interface Shown {
  readonly credential: Credential | null;
  readonly problem: string | null;
  readonly warning: string | null;
}

const owner = (part: Partial<CredentialOwner>): CredentialOwner => ({
  role: "mirror",
  url: "https://r.example",
  credentialPath: null,
  gcrKeyPath: null,
  ...part,
});

/** Reads with a file of that content in place of FILE, and with `dir` for the folder in messages. */
async function read(
  context: TestContext,
  text: string | null,
  part: Partial<CredentialOwner> & { mode?: number } = {},
): Promise<Shown> {
  const dir = await folder(context);
  const path = join(dir, "file");
  const { mode = 0o600, ...rest } = part;
  if (text !== null) await writeFile(path, text, { mode });
  const reading = await readCredential(owner({ credentialPath: path, ...rest }), {
    environment: { PATH: `${dir}:/usr/bin:/bin` },
  });
  const clean = (message: string | null): string | null => message?.replaceAll(path, "FILE") ?? null;
  return { ...reading, problem: clean(reading.problem), warning: clean(reading.warning) };
}

test("readCredential() finds none where none is named", async () => {
  const reading = await readCredential(owner({}), { environment: {} });
  assert.deepEqual(reading, { credential: { kind: "none" }, problem: null, warning: null });
});

test("readCredential() reads a Docker config's entry", async (context) => {
  const { credential, problem, warning } = await read(
    context,
    JSON.stringify({ auths: { "r.example": { auth: base64("joe:hunter2") } } }),
  );
  assert.ok(
    credential?.kind === "basic" && credential.username === "joe" && credential.password.reveal() === "hunter2",
  );
  assert.deepEqual([problem, warning], [null, null]);
});

const PROBLEMS: [string, string | null, string][] = [
  ["a missing file", null, 'Cannot read "FILE": no such file'],
  ["a file that is no JSON", "hunter2", 'Cannot use "FILE": it is not JSON'],
  [
    "a missing entry",
    '{"auths": {"s.example": {"auth": "aHVudGVyMg=="}}}',
    'Cannot use "FILE" for https://r.example: it has no entry for this registry',
  ],
  [
    "a broken entry",
    '{"auths": {"r.example": {"auth": "hunter2"}}}',
    'Cannot use "FILE" for https://r.example: "auth" of "r.example" is not base64 of user:password',
  ],
  [
    "a missing helper",
    '{"credsStore": "nowhere"}',
    'Cannot use "FILE" for https://r.example: docker-credential-nowhere is not in PATH',
  ],
  [
    "a file that is far too long",
    " ".repeat(1_000_001),
    'Cannot read "FILE": 1000001 bytes are too many, expected at most 1000000',
  ],
];

for (const [name, text, problem] of PROBLEMS) {
  test(`readCredential() names ${name}`, async (context) => {
    const credential = name === "a missing entry" ? { kind: "none" } : null;
    assert.deepEqual(await read(context, text), { credential, problem, warning: null });
  });
}

test("readCredential() names a directory in place of a file", async (context) => {
  const dir = await folder(context);
  await mkdir(join(dir, "config.json"));
  const { problem } = await readCredential(owner({ credentialPath: join(dir, "config.json") }), { environment: {} });
  assert.equal(problem, `Cannot read "${dir}/config.json": it is a directory`);
});

test("readCredential() does not wait at a pipe", { timeout: 5_000 }, async (context) => {
  const path = join(await folder(context), "pipe");
  execFileSync("mkfifo", [path]);
  const { problem } = await readCredential(owner({ credentialPath: path }), { environment: {} });
  assert.equal(problem, `Cannot read "${path}": it is no regular file`);
});

test("readCredential() finds it right that an upstream has no entry", async (context) => {
  const reading = await read(context, "{}", { role: "upstream" });
  assert.deepEqual(reading, { credential: { kind: "none" }, problem: null, warning: null });
});

test("readCredential() misses an entry in a file that was named for one upstream alone", async (context) => {
  const { problem } = await read(context, "{}", { role: "upstream", isCredentialOwn: true });
  assert.match(problem ?? "", /^Cannot use ".*" for https:\/\/r\.example: it has no entry for this registry$/);
});

test("readCredential() asks the helper, and takes the entry where it knows nothing", async (context) => {
  const dir = await folder(context);
  const helper = join(dir, "docker-credential-test");
  await writeFile(
    helper,
    `#!/bin/sh\nread -r host\n[ "$host" = r.example ] && echo '{"Username":"joe","Secret":"hunter2"}' && exit\necho credentials not found; exit 1\n`,
  );
  await chmod(helper, 0o755);
  const credentialPath = join(dir, "config.json");
  await writeFile(
    credentialPath,
    JSON.stringify({ credsStore: "test", auths: { "s.example": { auth: base64("ann:pw") } } }),
    { mode: 0o600 },
  );
  const names = [];
  for (const url of ["https://r.example", "https://s.example"]) {
    const { credential } = await readCredential(owner({ url, credentialPath }), {
      environment: { PATH: `${dir}:/usr/bin:/bin` },
    });
    names.push(credential?.kind === "basic" ? credential.username : null);
  }
  assert.deepEqual(names, ["joe", "ann"]);
});

test("readCredential() warns of a file that everybody can read", async (context) => {
  const { warning } = await read(context, "{}", { role: "upstream", mode: 0o644 });
  assert.equal(warning, '"FILE" holds credentials and every user can read it: chmod 0600');
});

const KEYS: [string, string, string | null][] = [
  ["a service account's key", KEY, null],
  ["a workload identity file", '{"type":"external_account"}', null],
  [
    "half a key",
    '{"type":"service_account","private_key":"hunter2"}',
    'it is no whole Google key: "client_email" or "private_key" is missing',
  ],
  [
    "another kind of file",
    '{"type":"hunter2"}',
    'it is no Google key: expected "type" to be one of service_account, authorized_user, impersonated_service_account, external_account, external_account_authorized_user',
  ],
  ["a PEM file", "-----BEGIN hunter2", 'it is no Google key: expected a JSON object with "type"'],
];

for (const [name, text, problem] of KEYS) {
  test(`readCredential() ${problem === null ? "takes" : "refuses"} ${name} as gcrKeyPath`, async (context) => {
    const gcrKeyPath = join(await folder(context), "key");
    await writeFile(gcrKeyPath, text, { mode: 0o600 });
    const reading = await readCredential(owner({ role: "upstream", gcrKeyPath }), { environment: {} });
    assert.equal(reading.problem, problem === null ? null : `Cannot use "${gcrKeyPath}": ${problem}`);
    assert.equal(reading.credential?.kind, problem === null ? "googleKey" : undefined);
  });
}

for (const [user, password] of [
  ["_json_key", KEY],
  ["_json_key_base64", base64(KEY)],
] as const) {
  test(`readCredential() recognises a Google key behind the user ${user}`, async (context) => {
    const { credential } = await read(
      context,
      JSON.stringify({ auths: { "r.example": { username: user, password } } }),
    );
    assert.ok(credential?.kind === "googleKey" && credential.json.reveal() === KEY);
  });
}
