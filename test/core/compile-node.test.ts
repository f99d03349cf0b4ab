import assert from "node:assert/strict";
import { test } from "node:test";
import { compileNode, type NodeFacts, type TlsFile } from "../../src/core/compile-node.ts";
import type { MirrorConfig } from "../../src/core/mirror-config.ts";
import { compileRoutes, decideRoute } from "../../src/core/routes.ts";
import { AGENT_DEFAULTS, config, mirror, NO_TLS } from "./samples.ts";

const CA: TlsFile = { sourcePath: "/etc/ca.pem", pem: "CA", sha256: "aa", secret: false };
const CERT: TlsFile = { sourcePath: "/etc/client.pem", pem: "CERT", sha256: "bb", secret: false };
const KEY: TlsFile = { sourcePath: "/etc/client.key", pem: "KEY", sha256: "cc", secret: true };

const FACTS: NodeFacts = {
  containerdVersion: { major: 1, minor: 6, patch: 20 },
  certsDir: "/c",
  tlsDir: "/t",
  folders: new Set(),
  tlsFiles: new Map([CA, CERT, KEY].map((file) => [file.sourcePath, file])),
  authorizationOf: () => null,
};

function compile(settings: Partial<MirrorConfig>, facts: Partial<NodeFacts> = {}) {
  const decisions = compileRoutes(config(settings)).map((route) =>
    decideRoute(route, { stateOf: () => "up", wasOut: new Set() }),
  );
  return compileNode(decisions, { ...FACTS, ...facts });
}

const tls = {
  ...NO_TLS,
  caCertPath: "/etc/ca.pem",
  clientCertPath: "/etc/client.pem",
  clientKeyPath: "/etc/client.key",
};

test("compileNode() names the copies of TLS files, and brings them before the hosts.toml", () => {
  const want = compile({ mirrors: [mirror("https://m:5000", { tls })] });
  assert.deepEqual(
    want.map(({ path, mode }) => [path, mode]),
    [
      ["/t/aa.pem", 0o644],
      ["/t/bb.pem", 0o644],
      ["/t/cc.pem", 0o600],
      ["/c/gcr.io/hosts.toml", 0o644],
    ],
  );
  assert.match(want[3]?.text ?? "", /ca = "\/t\/aa\.pem"\n {2}client = \[\["\/t\/bb\.pem", "\/t\/cc\.pem"\]\]/);
});

test("compileNode() hides a hosts.toml with a credential from everyone but root", () => {
  const [file] = compile(
    { mirrors: [mirror("https://m:5000")] },
    { tlsFiles: new Map(), authorizationOf: ({ role }) => (role === "upstream" ? "Bearer secret" : null) },
  );
  assert.equal(file?.mode, 0o600);
  assert.match(file?.text ?? "", /^\[header\]\n {2}Authorization = "Bearer secret"$/m);
});

for (const [version, line] of [
  [{ major: 1, minor: 7, patch: 24 }, null],
  [{ major: 2, minor: 1, patch: 9 }, '  dial_timeout = "2000ms"'],
  [null, null],
] as const) {
  test(`compileNode() writes ${line ?? "no dial_timeout"} for containerd ${version?.major}.${version?.minor}`, () => {
    const [file] = compile({ mirrors: [mirror("https://m")] }, { tlsFiles: new Map(), containerdVersion: version });
    assert.equal(file?.text.split("\n").find((each) => each.includes("dial_timeout")) ?? null, line);
  });
}

test("compileNode() makes the last mirror the server when the upstream may not be contacted", () => {
  const agent = { ...AGENT_DEFAULTS, failover: "never" } as const;
  const [file] = compile({ mirrors: [mirror("https://a"), mirror("https://b")], agent }, { tlsFiles: new Map() });
  assert.equal(file?.hosts?.server?.url, "https://b");
  assert.deepEqual(
    file?.hosts?.hosts.map(({ url }) => url),
    ["https://a"],
  );
});

test("compileNode() names no server for _default, where each registry is its own", () => {
  const [file] = compile({ mirrors: [mirror("https://a", { hosts: ["*"] })] }, { tlsFiles: new Map() });
  assert.equal(file?.path, "/c/_default/hosts.toml");
  assert.doesNotMatch(file?.text ?? "", /server/);
});

test("compileNode() writes the same bytes for the same input", () => {
  const settings = {
    mirrors: [mirror("https://a", { tls, hosts: ["gcr.io", "docker.io", "*"] }), mirror("https://b/v2/x")],
  };
  assert.deepEqual(compile(settings), compile(settings));
});

test("compileNode() writes no hosts.toml that would lead to an upstream which may not be contacted", () => {
  const agent = { ...AGENT_DEFAULTS, failover: "never" } as const;
  const [route] = compileRoutes(config({ mirrors: [mirror("https://m:5000")], agent }));
  assert.ok(route);
  const decision = { route, mirrors: [], out: route.mirrors, failedOver: true, doubted: false };
  assert.throws(() => compileNode([decision], FACTS), {
    message: /^Cannot compile hosts\.toml of "gcr\.io": no mirror/,
  });
});
