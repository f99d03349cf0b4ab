import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileReading } from "../../../src/core/explain/hosts-folder.ts";
import type { PullHost } from "../../../src/core/explain/pull-hosts.ts";
import { readTls, tlsPaths } from "../../../src/core/explain/tls-contents.ts";
import { makeAuthority } from "../../lab/certificates.ts";

const authority = makeAuthority();
const [client, other] = [authority.issue([], { client: true }), authority.issue([], { client: true })];

const FILES: Readonly<Record<string, string>> = {
  "/ca.pem": authority.cert,
  "/cert.pem": client.cert,
  "/key.pem": client.key,
  "/other-key.pem": other.key,
  "/pair.pem": client.cert + client.key,
  "/none.pem": "nothing",
};
const files = new Map<string, FileReading>(
  Object.entries(FILES).map(([path, text]) => [path, { kind: "text", text } as const]),
);
files.set("/folder", { kind: "unreadable", problem: "it is a directory" });

const host = (caPaths: readonly string[], clients: PullHost["clients"] = []): PullHost =>
  ({ caPaths, clients, skipVerify: false }) as unknown as PullHost;
const pair = (certPath: string, keyPath: string | null) => [{ certPath, keyPath }];

test("readTls() puts all authorities and the client certificate with its key together", () => {
  const named = host(["/ca.pem", "/cert.pem"], pair("/cert.pem", "/key.pem"));
  assert.deepEqual(tlsPaths(named), ["/ca.pem", "/cert.pem", "/cert.pem", "/key.pem"]);
  const read = readTls(named, files);
  assert.ok(read.ok);
  assert.equal(read.tls.ca, `${authority.cert}\n${client.cert}`);
  assert.deepEqual([read.tls.clientCert, read.tls.clientKey], [client.cert, client.key]);
  assert.ok(readTls(host([], pair("/pair.pem", null)), files).ok);
});

for (const [name, named, because] of [
  ["a file that is not there", host(["/gone.pem"]), /"\/gone\.pem" cannot be read: no such file/],
  ["an authority that is no certificate", host(["/none.pem"]), /"\/none\.pem" holds no certificate/],
  ["the key of another certificate", host([], pair("/cert.pem", "/other-key.pem")), /no certificate and its key/],
  ["a certificate without its key", host([], pair("/cert.pem", null)), /no certificate and its key/],
  ["a folder for a key", host([], pair("/cert.pem", "/folder")), /it is a directory/],
] as const) {
  test(`readTls() knows that every pull fails with ${name}`, () => {
    const read = readTls(named, files);
    assert.ok(!read.ok);
    assert.match(read.because, because);
  });
}
