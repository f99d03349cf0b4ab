import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readTlsFiles } from "../../src/node/tls-files.ts";
import { config, mirror, NO_TLS } from "../core/samples.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { createWorkspace } from "../lab/workspace.ts";

const NOW = Date.now();
const authority = makeAuthority();
const client = authority.issue([], { client: true });

const withTls = (tls: object) => config({ mirrors: [mirror("https://m:5000", { tls: { ...NO_TLS, ...tls } })] });

test("readTlsFiles() reads a CA bundle and a client pair, and marks the key as secret", async () => {
  await using workspace = await createWorkspace();
  const caCertPath = await workspace.file("ca.pem", `${authority.cert}${makeAuthority().cert}`);
  const clientCertPath = await workspace.file("client.pem", client.cert);
  const clientKeyPath = await workspace.file("client.key", client.key);
  const { files, problems } = await readTlsFiles(withTls({ caCertPath, clientCertPath, clientKeyPath }), NOW);
  assert.deepEqual(
    problems.filter(({ severity }) => severity === "error"),
    [],
  );
  assert.deepEqual(
    [...files.values()].map(({ secret }) => secret),
    [false, false, true],
  );
});

const wrong: Record<string, { text: string; kind: string; message: RegExp }> = {
  "no PEM": {
    text: "hello",
    kind: "caCertPath",
    message: /holds no certificate in PEM form \(-----BEGIN CERTIFICATE-----\)$/,
  },
  "a certificate of noise": {
    text: "-----BEGIN CERTIFICATE-----\nbm9pc2U=\n-----END CERTIFICATE-----\n",
    kind: "caCertPath",
    message: /holds a certificate that cannot be parsed$/,
  },
  "an expired CA": {
    text: authority.issue(["DNS:x"], { expired: true }).cert,
    kind: "caCertPath",
    message: /expired on \d{4}-\d\d-\d\d$/,
  },
  "a key where the CA should be": { text: client.key, kind: "caCertPath", message: /holds no certificate/ },
};

for (const [name, { text, kind, message }] of Object.entries(wrong)) {
  test(`readTlsFiles() refuses ${name}, at the key that names it`, async () => {
    await using workspace = await createWorkspace();
    const path = await workspace.file("f.pem", text);
    const { files, problems } = await readTlsFiles(withTls({ [kind]: path }), NOW);
    assert.deepEqual(
      [problems.length, problems[0]?.severity, problems[0]?.at],
      [1, "error", `registryMirrors[0].${kind}`],
    );
    assert.match(problems[0]?.message ?? "", message);
    assert.equal(files.size, 0);
  });
}

test("readTlsFiles() refuses a key that is not the certificate's, and one that is none", async () => {
  await using workspace = await createWorkspace();
  const clientCertPath = await workspace.file("client.pem", client.cert);
  for (const [key, message] of [
    [authority.key, /is not the key of the certificate in/],
    ["noise", /holds no private key in PEM form without a passphrase/],
  ] as const) {
    const clientKeyPath = await workspace.file("client.key", key);
    const { problems } = await readTlsFiles(withTls({ clientCertPath, clientKeyPath }), NOW);
    const errors = problems.filter(({ severity }) => severity === "error");
    assert.equal(errors[0]?.at, "registryMirrors[0].clientKeyPath");
    assert.match(errors[0]?.message ?? "", message);
    assert.doesNotMatch(errors[0]?.message ?? "", /BEGIN/);
  }
});

test("readTlsFiles() judges a bundle by its last certificate, and warns 30 days ahead", async () => {
  await using workspace = await createWorkspace();
  const old = authority.issue(["DNS:x"], { expired: true }).cert;
  const caCertPath = await workspace.file("ca.pem", `${old}${authority.cert}`);
  const judge = async (days: number) =>
    (await readTlsFiles(withTls({ caCertPath }), NOW + days * 86_400_000)).problems[0];
  assert.equal(await judge(0), undefined);
  assert.match((await judge(350))?.message ?? "", /expires on/);
  assert.equal((await judge(350))?.severity, "warning");
  assert.equal((await judge(366))?.severity, "error");
});

test("readTlsFiles() names what cannot be read: nothing, a folder, a pipe that nobody writes to", async () => {
  await using workspace = await createWorkspace();
  const folder = join(workspace.dir, "folder");
  const pipe = join(workspace.dir, "pipe");
  await mkdir(folder);
  execFileSync("mkfifo", [pipe]);
  for (const [caCertPath, words] of [
    [join(workspace.dir, "none"), "no such file"],
    [folder, "it is a directory"],
    [pipe, "it is no regular file"],
  ] as const) {
    const { problems } = await readTlsFiles(withTls({ caCertPath }), NOW);
    assert.deepEqual(
      problems.map(({ message }) => message),
      [`Cannot read "${caCertPath}": ${words}`],
    );
  }
});
