import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { assertReadsBack, hostsTomlPath, isManaged, renderHostsToml } from "../../src/core/hosts-toml.ts";
import { GOLDEN_PLACES, HOSTS_CASES } from "./hosts-toml-cases.ts";

const GOLDEN = new URL("../fixtures/hosts-toml/", import.meta.url);

for (const { name, file } of HOSTS_CASES) {
  test(`renderHostsToml() writes the bytes of ${name}.toml, and they read back as meant`, () => {
    const hosts = file(GOLDEN_PLACES);
    const text = renderHostsToml(hosts);
    assert.equal(text, readFileSync(new URL(`${name}.toml`, GOLDEN), "utf8"));
    assert.ok(isManaged(text));
    assertReadsBack(text, hosts);
  });
}

test("renderHostsToml() has a golden file for each shape and no other", () => {
  assert.deepEqual(readdirSync(GOLDEN).sort(), HOSTS_CASES.map(({ name }) => `${name}.toml`).sort());
});

test("assertReadsBack() refuses hosts in another order", () => {
  const hosts = HOSTS_CASES.find(({ name }) => name === "two-mirrors-in-order")?.file(GOLDEN_PLACES);
  assert.ok(hosts);
  const swapped = renderHostsToml({ ...hosts, hosts: [...hosts.hosts].reverse() });
  assert.throws(() => assertReadsBack(swapped, hosts), /does not read back/);
});

test("assertReadsBack() refuses a lost key without telling the header", () => {
  const hosts = HOSTS_CASES.find(({ name }) => name === "authorization-upstream")?.file(GOLDEN_PLACES);
  assert.ok(hosts);
  const text = renderHostsToml(hosts).replace(/^ca = .*\n/m, "");
  assert.throws(
    () => assertReadsBack(text, hosts),
    (error: Error) => !error.message.includes("dXNlcjpwYXNzd29yZA"),
  );
});

test("renderHostsToml() quotes whatever a header holds", () => {
  const entry = HOSTS_CASES[0]?.file(GOLDEN_PLACES).hosts[0];
  assert.ok(entry);
  for (const authorization of ['a"b', "back\\slash", "tab\t", "new\nline", "\x7f", "[host]", "ünï 🔑"]) {
    const hosts = { registry: "gcr.io", hosts: [{ ...entry, authorization }], server: null };
    assertReadsBack(renderHostsToml(hosts), hosts);
  }
});

test("renderHostsToml() names no TLS file for an http host, which would make containerd try https first", () => {
  const entry = HOSTS_CASES[0]?.file({ ...GOLDEN_PLACES, mirror: "http://172.18.0.20:5000" }).hosts[0];
  assert.ok(entry);
  const text = renderHostsToml({ registry: "gcr.io", hosts: [{ ...entry, skipVerify: true }], server: null });
  assert.doesNotMatch(text, /^\s*(ca|client|skip_verify) =/m);
});

for (const [registry, folders, path] of [
  ["gcr.io", [], "/c/gcr.io/hosts.toml"],
  ["registry.corp:5000", [], "/c/registry.corp:5000/hosts.toml"],
  ["registry.corp:5000", ["registry.corp_5000_"], "/c/registry.corp_5000_/hosts.toml"],
  ["[::1]:5000", ["[::1]_5000_"], "/c/[::1]_5000_/hosts.toml"],
  ["_default", [], "/c/_default/hosts.toml"],
] as const) {
  test(`hostsTomlPath() of ${registry} beside [${folders}] is ${path}`, () => {
    assert.equal(hostsTomlPath("/c", registry, new Set(folders)), path);
  });
}

test("renderHostsToml() names a client certificate with its key in one file by that file, not as half a pair", () => {
  const entry = HOSTS_CASES[0]?.file(GOLDEN_PLACES).hosts[0];
  assert.ok(entry);
  const client = { certPath: "/tls/client.pem", keyPath: null };
  const text = renderHostsToml({ registry: "gcr.io", hosts: [{ ...entry, client }], server: null });
  assert.match(text, /^ {2}client = \["\/tls\/client\.pem"\]$/m);
});
