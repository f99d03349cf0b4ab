// check and plan, as far as credentials go: what is wrong with a file is told at the key that names it.

import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { test } from "node:test";
import { basicGuard, startGuardedRegistry } from "../lab/guarded-registry.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { runCommand } from "./run-command.ts";

const MIRROR = "https://mirror.example:5000";
const SECRET = "hunter2-of-the-test";

/** A config.json with one entry, readable by root alone unless told otherwise. */
const dockerConfig = (host: string): string =>
  JSON.stringify({ auths: { [host]: { username: "puller", password: SECRET } } });

type Row = readonly [name: string, file: string | null, expected: RegExp];

const BROKEN: readonly Row[] = [
  ["is missing", null, /no such file/],
  ["is no JSON", `{ "auths": { "x": ${SECRET} } }`, /it is not JSON/],
  ["has no entry for the mirror", dockerConfig("other.example"), /it has no entry for this registry/],
  ["has half an entry", JSON.stringify({ auths: { "mirror.example:5000": { auth: SECRET } } }), /is not base64/],
  ["names a helper that is missing", '{ "credsStore": "none-such" }', /docker-credential-none-such is not in PATH/],
];

for (const [name, file, expected] of BROKEN) {
  test(`check ends with 2 for a credential file that ${name}, at the key that names it`, async () => {
    await using workspace = await createWorkspace();
    const path = file === null ? `${workspace.dir}/none.json` : await workspace.file("docker.json", file);
    if (file !== null) await chmod(path, 0o600);
    const config = await workspace.file(
      "config.yaml",
      `registryMirrors:\n  - endpoint: ${MIRROR}\n    pullCredentialConfigPath: ${path}\n`,
    );
    const { code, stdout, stderr } = await runCommand(["check", config], { env: { PATH: workspace.dir } });
    assert.equal(code, 2);
    assert.ok(stdout.startsWith(`${config}:3:31: error: Cannot `), stdout);
    assert.match(stdout, expected);
    assert.doesNotMatch(stdout, /is valid/);
    assert.ok(!`${stdout}${stderr}`.includes(SECRET));
  });
}

test("check tells what is wrong with the files of upstreams, each at its own key", async () => {
  await using workspace = await createWorkspace();
  const config = await workspace.file(
    "config.yaml",
    `registryMirrors: [{ endpoint: "${MIRROR}", hosts: [docker.io] }]
gcrKeyPath: ${workspace.dir}/key.json
privateRegistryConfigPath: ${workspace.dir}/all.json
privateRegistries: [{ host: r.example, pullCredentialConfigPath: ${await workspace.file("own.json", dockerConfig("x"))} }]
`,
  );
  const { code, stdout } = await runCommand(["--output", "json", "check", config], { env: {} });
  const { valid, issues } = JSON.parse(stdout) as { valid: boolean; issues: { at: string; line: number }[] };
  const places = issues.map(({ at, line }) => `${line} ${at}`);
  assert.deepEqual(places, [
    "4 privateRegistries[0].pullCredentialConfigPath",
    "2 gcrKeyPath",
    "3 privateRegistryConfigPath",
  ]);
  assert.deepEqual([code, valid], [2, false]);
});

test("check tells what is wrong with gcrKeyPath once, where no other file is named for upstreams", async () => {
  await using workspace = await createWorkspace();
  const text = `registryMirrors: [{ endpoint: "${MIRROR}" }]\ngcrKeyPath: ${workspace.dir}/key.json\n`;
  const config = await workspace.file("config.yaml", text);
  const { stdout } = await runCommand(["--output", "json", "check", config], { env: {} });
  const { issues } = JSON.parse(stdout) as { issues: { at: string }[] };
  assert.deepEqual(
    issues.map(({ at }) => at),
    ["gcrKeyPath"],
  );
});

test("check warns of a credential file that every user can read, and ends with 0", async () => {
  await using workspace = await createWorkspace();
  const path = await workspace.file("docker.json", dockerConfig("mirror.example:5000"));
  await chmod(path, 0o644);
  const text = `registryMirrors: [{ endpoint: "${MIRROR}", pullCredentialConfigPath: ${path} }]\n`;
  const { code, stdout } = await runCommand(["check", await workspace.file("config.yaml", text)]);
  assert.equal(code, 0);
  assert.match(stdout, /config\.yaml:1:\d+: warning: .*every user can read it: chmod 0600\n.* is valid: 1 mirror/);
});

test("plan shows how each credential reaches containerd, and no secret", async () => {
  await using workspace = await createWorkspace();
  const account = { username: "puller", password: SECRET };
  const mirror = await startGuardedRegistry(workspace, { tls: null, guard: basicGuard(account) });
  const path = await workspace.file("docker.json", dockerConfig(new URL(mirror.url).host));
  await workspace.file(
    "root/etc/mirror-agent/config.yaml",
    `registryMirrors: [{ endpoint: "${mirror.url}", pullCredentialConfigPath: ${path} }]\n`,
  );
  const root = `${workspace.dir}/root`;
  const text = (await runCommand(["--root", root, "plan"])).stdout;
  assert.ok(text.includes(`\nCREDENTIAL\n${mirror.url}\n  in hosts.toml: the registry takes basic`), text);
  const json = (await runCommand(["--root", root, "--output", "json", "plan"])).stdout;
  assert.deepEqual(JSON.parse(json).credentials, [
    {
      endpoint: mirror.url,
      role: "mirror",
      credential: { kind: "header", because: "the registry takes basic credentials directly", problem: null },
    },
  ]);
  const encoded = Buffer.from(`puller:${SECRET}`).toString("base64");
  for (const shown of [text, json]) assert.ok(!shown.includes(SECRET) && !shown.includes(encoded));
});
