import assert from "node:assert/strict";
import { test } from "node:test";
import { findLinkChain } from "../../src/node/link-chain.ts";

interface Row {
  readonly path: string;
  readonly links: Readonly<Record<string, string>>;
  readonly chain: readonly string[];
}

const CONFIG_MAP = { "/etc/m/config.yaml": "..data/config.yaml", "/etc/m/..data": "..2026_01_01" };

const ROWS: Record<string, Row> = {
  "no link": { path: "/etc/m/ca.pem", links: {}, chain: ["/etc/m/ca.pem"] },
  "a ConfigMap": {
    path: "/etc/m/config.yaml",
    links: CONFIG_MAP,
    chain: ["/etc/m/config.yaml", "/etc/m/..data", "/etc/m/..2026_01_01/config.yaml"],
  },
  "a linked folder, absolute": {
    path: "/etc/m/ca.pem",
    links: { "/etc/m": "/opt/m" },
    chain: ["/etc/m", "/opt/m/ca.pem"],
  },
  "a link upwards": { path: "/a/b/c", links: { "/a/b/c": "../../d/./e" }, chain: ["/a/b/c", "/d/e"] },
};

for (const [name, { path, links, chain }] of Object.entries(ROWS)) {
  test(`findLinkChain() follows ${name}`, () => {
    assert.deepEqual(
      findLinkChain(path, (at) => links[at] ?? null),
      chain,
    );
  });
}

test("findLinkChain() ends where links lead to each other", () => {
  const links: Record<string, string> = { "/a": "b", "/b": "a" };
  assert.deepEqual(
    findLinkChain("/a/c", (at) => links[at] ?? null),
    ["/a", "/b"],
  );
});
