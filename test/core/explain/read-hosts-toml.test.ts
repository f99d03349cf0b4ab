import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGoDuration } from "../../../src/core/explain/go-duration.ts";
import { readHostsToml } from "../../../src/core/explain/read-hosts-toml.ts";

const V16 = { major: 1, minor: 6, patch: 20 };
const V17 = { major: 1, minor: 7, patch: 32 };
const V21 = { major: 2, minor: 1, patch: 9 };
const V22 = { major: 2, minor: 2, patch: 7 };

const read = (text: string, version = V21) => readHostsToml(text, { folder: "/c/gcr.io", version });

function hostsOf(text: string, version = V21): string[] {
  const result = read(text, version);
  assert.ok(result.ok, result.ok ? "" : result.because);
  const show = ({ address }: (typeof result.hosts)[number]) =>
    address === null ? "-" : `${address.scheme}://${address.host}${address.path}`;
  return [...result.hosts.map(show), show(result.server)];
}

const ORDERS = [
  [
    "a header that follows at once, 2.1",
    '[host."https://a"]\n[host."https://a".header]\nX = "y"\n[host."https://b"]\n',
    V21,
    ["https://a/v2", "https://b/v2", "-"],
  ],
  ["the order of the tables", '[host."https://b"]\n[host."https://a"]\n', V21, ["https://b/v2", "https://a/v2", "-"]],
  [
    "a header between, 2.1",
    '[host."https://a"]\n[host."https://b"]\n[host."https://a".header]\n',
    V21,
    ["https://a/v2", "https://b/v2", "https://a/v2", "-"],
  ],
  [
    "a header between, 1.6",
    '[host."https://a"]\n[host."https://b"]\n[host."https://a".header]\n',
    V16,
    ["https://a/v2", "https://b/v2", "-"],
  ],
  ["inline tables, 2.1", '[host]\n"https://a" = { capabilities = ["pull"] }\n', V21, ["-"]],
  ["inline tables, 1.6", '[host]\n"https://a" = { capabilities = ["pull"] }\n', V16, ["https://a/v2", "-"]],
  ["server last", 'server = "https://s"\n[host."https://a"]\n', V21, ["https://a/v2", "https://s/v2"]],
  ["server alone, 1.7.32", 'server = "https://s"\n', V17, ["https://s/v2"]],
  ["no scheme", '[host."a:5000"]\n', V21, ["https://a:5000/v2", "-"]],
  ["no scheme, and a name like one", '[host."httpd.corp"]\n', V21, ["-", "-"]],
  ["a path", '[host."https://a/v2/team"]\n', V21, ["https://a/v2/team/v2", "-"]],
  ["a path that ends in v2", '[host."https://a/team/v2/"]\n', V21, ["https://a/team/v2", "-"]],
  ["override_path", '[host."https://a/v2/team/"]\noverride_path = true\n', V21, ["https://a/v2/team", "-"]],
  ["user, password and query", '[host."https://u:p@a/v2?x=1"]\n', V21, ["https://a/v2", "-"]],
] as const;

for (const [name, text, version, hosts] of ORDERS) {
  test(`readHostsToml() tries in containerd's order: ${name}`, () => assert.deepEqual(hostsOf(text, version), hosts));
}

const IGNORED = [
  ["a syntax error", "server = x\n", V21, /^line 1, column/],
  ["no host table on 1.6", 'server = "https://s"\n', V16, /no \[host\] table/],
  ["an unknown capability", '[host."https://a"]\ncapabilities = ["fetch"]\n', V21, /"fetch" is not known/],
  ["referrers before 2.2", '[host."https://a"]\ncapabilities = ["referrers"]\n', V21, /"referrers" is not known/],
  ["capabilities that are no list", 'capabilities = "pull"\n[host]\n', V21, /no list/],
  ["a bad dial_timeout", '[host."https://a"]\ndial_timeout = "5"\n', V21, /no duration/],
  ["a dial_timeout that is a number", '[host."https://a"]\ndial_timeout = 5\n', V21, /no duration/],
  ["skip_verify that is a text", '[host."https://a"]\nskip_verify = "yes"\n', V21, /skip_verify/],
  ["a ca that is a number", '[host."https://a"]\nca = 1\n', V21, /ca is no path/],
  ["a client pair of three", '[host."https://a"]\nclient = [["a", "b", "c"]]\n', V21, /no pair/],
  ["a header that is a number", '[host."https://a".header]\nX = 1\n', V21, /header "X"/],
  ["host that is a text", 'host = "x"\n', V21, /host is no table/],
  ["a host that is a text", '[host]\na = "x"\n', V21, /host."a" is no table/],
  ["a server that is a number", "server = 1\n[host]\n", V21, /server is no text/],
  ["a table twice", '[host."https://a"]\n[host."https://a"]\n', V21, /line 2/],
] as const;

for (const [name, text, version, because] of IGNORED) {
  test(`readHostsToml() knows that containerd ignores a file with ${name}`, () => {
    const result = read(text, version);
    assert.ok(!result.ok);
    assert.match(result.because, because);
  });
}

test("readHostsToml() takes what a version does not know for absent", () => {
  for (const version of [V16, V17]) {
    const result = read('[host."https://a"]\ndial_timeout = 5\n', version);
    assert.ok(result.ok);
    assert.equal(result.hosts[0]?.dialTimeoutMs, null);
    assert.match(result.doubts.join(), /dial_timeout means nothing to containerd 1/);
  }
  assert.ok(read('[host."https://a"]\ncapabilities = ["referrers", "PULL"]\n', V22).ok);
});

test("readHostsToml() finds paths from the file's folder, and takes an empty key of a pair for that folder", () => {
  const result = read('[host."https://a"]\nca = ["ca.pem", "/x.pem"]\nclient = [["c.pem", ""]]\n');
  assert.ok(result.ok);
  assert.deepEqual(result.hosts[0]?.caPaths, ["/c/gcr.io/ca.pem", "/x.pem"]);
  assert.deepEqual(result.hosts[0]?.clients, [{ certPath: "/c/gcr.io/c.pem", keyPath: "/c/gcr.io" }]);
});

test("readHostsToml() doubts what is legal and hardly meant, without what may be a password", () => {
  const result = read('[host."https://u:secret@a?token=x"]\nserver = "https://b"\ncapability = ["pull"]\n');
  assert.ok(result.ok);
  assert.equal(result.doubts.length, 4);
  assert.doesNotMatch(result.doubts.join(), /secret|token/);
});

for (const [text, ms] of [
  ["1s", 1000],
  ["1m30s", 90_000],
  ["1.5s", 1500],
  ["0", 0],
  ["250ms", 250],
  ["-1s", -1000],
  ["5", null],
  ["1 s", null],
  ["", null],
] as const) {
  test(`parseGoDuration() reads "${text}" as ${ms}`, () => assert.equal(parseGoDuration(text), ms));
}
