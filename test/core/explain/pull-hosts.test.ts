import assert from "node:assert/strict";
import { test } from "node:test";
import {
  certsRoots,
  chooseFolder,
  type FileReading,
  type FoundFolder,
  folderCandidates,
  type ObservedPlace,
} from "../../../src/core/explain/hosts-folder.ts";
import { contentUrl, hostOf, manifestUrl, readRoute } from "../../../src/core/explain/pull-hosts.ts";
import { parseImageReference } from "../../../src/core/image-reference.ts";

const V16 = { major: 1, minor: 6, patch: 20 };
const V20 = { major: 2, minor: 0, patch: 9 };
const V21 = { major: 2, minor: 1, patch: 9 };

const folder = (text: string | null, names: readonly string[] = []): FoundFolder => {
  const hostsToml: FileReading = text === null ? { kind: "missing" } : { kind: "text", text };
  return { kind: "found", path: "/c/x", names, hostsToml, hidden: [] };
};
const place = (hostsToml: FileReading = { kind: "missing" }): ObservedPlace => ({
  kind: "folder",
  names: [],
  hostsToml,
});

test("certsRoots() takes a list apart where containerd does, and not where it looks for one folder of that name", () => {
  assert.deepEqual(certsRoots("/a:/b", { isLocal: true }), ["/a", "/b"]);
  assert.deepEqual(certsRoots("/a:/b", { isLocal: false }), ["/a:/b"]);
  assert.deepEqual(certsRoots("", { isLocal: true }), []);
});

test("folderCandidates() are host_port_, host:port and _default, one root after the other", () => {
  assert.deepEqual(folderCandidates(["/a/", "/b"], "r:5000"), [
    ...["/a/r_5000_", "/a/r:5000", "/a/_default"],
    ...["/b/r_5000_", "/b/r:5000", "/b/_default"],
  ]);
  assert.deepEqual(folderCandidates(["/a"], "gcr.io"), ["/a/gcr.io", "/a/_default"]);
});

test("chooseFolder() takes the first that exists, also an empty one, and names what that hides", () => {
  const places = new Map([
    ["/a/gcr.io", place()],
    ["/a/_default", place({ kind: "text", text: "x" })],
  ]);
  const chosen = chooseFolder(["/a/gcr.io", "/a/_default"], places);
  assert.ok(chosen.kind === "found");
  assert.deepEqual([chosen.path, chosen.hidden], ["/a/gcr.io", ["/a/_default"]]);
  assert.equal(chooseFolder(["/b/gcr.io"], places).kind, "none");
});

for (const [name, found] of [
  ["a file", { kind: "file" }],
  ["unreadable", { kind: "unreadable", problem: "permission denied" }],
  ["a folder with an unreadable hosts.toml", place({ kind: "unreadable", problem: "it is a directory" })],
] as const) {
  test(`chooseFolder() knows that every pull fails where the folder is ${name}`, () => {
    assert.equal(chooseFolder(["/a/x"], new Map([["/a/x", found]])).kind, "fatal");
  });
}

const rootsOf = (text: string | null, registry: string, version = V21) =>
  readRoute(text === null ? null : folder(text), { registry, version }).hosts.map(({ roots }) => roots.join(" or "));

const ROOTS = [
  [null, "gcr.io", V21, ["https://gcr.io/v2"]],
  [null, "docker.io", V21, ["https://registry-1.docker.io/v2"]],
  [null, "localhost:5000", V21, ["https://localhost:5000/v2 or http://localhost:5000/v2"]],
  [null, "127.0.0.1:80", V21, ["http://127.0.0.1:80/v2"]],
  [null, "localhost", V21, ["https://localhost/v2"]],
  [
    '[host."http://m:5000"]\nskip_verify = false\n',
    "gcr.io",
    V21,
    ["https://m:5000/v2 or http://m:5000/v2", "https://gcr.io/v2"],
  ],
  ['[host."http://m"]\nskip_verify = false\n', "gcr.io", V21, ["https://m/v2 or http://m/v2", "https://gcr.io/v2"]],
  ['[host."http://m"]\nskip_verify = false\n', "gcr.io", V16, ["http://m/v2", "https://gcr.io/v2"]],
  ['[host."http://m:80"]\nskip_verify = true\n', "gcr.io", V21, ["http://m:80/v2", "https://gcr.io/v2"]],
  [
    '[host."http://m:5000"]\ndial_timeout = "1s"\n',
    "gcr.io",
    V20,
    ["https://m:5000/v2 or http://m:5000/v2", "https://gcr.io/v2"],
  ],
  ['[host."http://m:5000"]\ndial_timeout = "1s"\n', "gcr.io", V21, ["http://m:5000/v2", "https://gcr.io/v2"]],
] as const;

for (const [text, registry, version, roots] of ROOTS) {
  test(`readRoute() asks ${roots.join(", then ")} for ${registry}, from ${JSON.stringify(text)} on ${version.major}.${version.minor}`, () => {
    assert.deepEqual(rootsOf(text, registry, version), roots);
  });
}

test("readRoute() takes certificates without hosts.toml for the registry itself, as Docker does", () => {
  const found = folder(null, ["ca.crt", "client.cert", "client.key", "other.cert"]);
  const { hosts, source } = readRoute(found, { registry: "gcr.io", version: V21 });
  assert.deepEqual(source, { kind: "certificates", path: "/c/x", isEmpty: false });
  assert.deepEqual(hosts[0]?.caPaths, ["/c/x/ca.crt"]);
  assert.deepEqual(hosts[0]?.clients, [
    { certPath: "/c/x/client.cert", keyPath: "/c/x/client.key" },
    { certPath: "/c/x/other.cert", keyPath: null },
  ]);
});

test("readRoute() goes to the registry itself when containerd ignores the file", () => {
  const { hosts, source } = readRoute(folder('[host."https://m"]\ndial_timeout = 5\n'), {
    registry: "gcr.io",
    version: V21,
  });
  assert.equal(source.kind, "ignored");
  assert.deepEqual(
    hosts.map(({ role, roots }) => [role, ...roots]),
    [["registry", "https://gcr.io/v2"]],
  );
});

test("readRoute() gives the keys of the root to the registry itself where no server is named, but for capabilities", () => {
  const text = 'ca = "/ca.pem"\ncapabilities = ["push"]\n[host."https://m"]\n[header]\nX-A = "b"\n';
  const [, itself] = readRoute(folder(text), { registry: "gcr.io", version: V21 }).hosts;
  assert.deepEqual(itself?.caPaths, ["/ca.pem"]);
  assert.deepEqual(itself?.capabilities, ["pull", "resolve", "push"]);
  assert.deepEqual(Object.keys(itself?.headers ?? {}), ["X-A"]);
});

test("manifestUrl() and contentUrl() name the registry to every server but the registry itself", () => {
  const [mirror, itself] = readRoute(folder('[host."https://m/v2/team"]\noverride_path = true\n'), {
    registry: "r.io:5000",
    version: V21,
  }).hosts;
  const parsed = parseImageReference("r.io:5000/app:1");
  assert.ok(mirror && itself && parsed.ok);
  const urls = [mirror, itself].map((host) => manifestUrl(host, host.roots[0], parsed.reference).href);
  assert.deepEqual(urls, ["https://m/v2/team/app/manifests/1?ns=r.io%3A5000", "https://r.io:5000/v2/app/manifests/1"]);
  const content = { repository: "app", kind: "blobs", digest: "sha256:0" } as const;
  assert.equal(contentUrl(itself, itself.roots[0], content).href, "https://r.io:5000/v2/app/blobs/sha256:0");
});

test("hostOf() keeps a port as it is written: registry.configs has it so", () => {
  const text = '[host."https://m:443"]\n[host."http://n:80/v2/team"]\noverride_path = true\n';
  const { hosts } = readRoute(folder(text), { registry: "gcr.io", version: V21 });
  assert.deepEqual(hosts.map(hostOf), ["m:443", "n:80", "gcr.io"]);
});
