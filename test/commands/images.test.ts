import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeAuthority } from "../lab/certificates.ts";
import { buildImage } from "../lab/image.ts";
import { startProxyServer } from "../lab/proxy-server.ts";
import { writeLayout } from "../push/layouts.ts";
import { type PushRegistry, startPushRegistry, status } from "../push/push-registry.ts";
import { type RunOptions, runCommand } from "./run-command.ts";

const authority = makeAuthority();
const one = buildImage({ seed: "one", layerSizes: [300_000] });
const two = buildImage({ seed: "two", layerSizes: [300_000] });
let folder = "";
let source = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "images-"));
  source = join(folder, "package");
  await writeLayout(source, [
    { name: "gcr.io/a/one:1.0", root: one.manifest, images: [one] },
    { name: "gcr.io/a/two:1.0", root: two.manifest, images: [two] },
  ]);
  await writeFile(join(folder, "ca.crt"), authority.cert);
});
after(() => rm(folder, { recursive: true, force: true }));

const run = (args: readonly string[], options: RunOptions = {}) =>
  runCommand(args, { ...options, env: { HOME: folder, ...options.env } });
const hostOf = (registry: PushRegistry): string => new URL(registry.url).host;

/** Lets nobody in but this user. */
function wantUser(registry: PushRegistry, user: string, password: string): void {
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  registry.strike(/./, 10_000, (exchange) => {
    if (exchange.request.headers.authorization === wanted) return false;
    return status(401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="r"' })(exchange, async () => undefined);
  });
}

test("push images pushes, and a second run sends nothing", async () => {
  await using registry = await startPushRegistry();
  const args = [
    "push",
    "images",
    `--source=${source}`,
    `--private-registry=${hostOf(registry)}/v2/team-a`,
    "--plain-http",
  ];
  const first = await run(args);
  assert.equal(first.code, 0);
  assert.match(first.stdout, /^pushed {3}127.0.0.1:\d+\/team-a\/a\/(one|two):1.0$/m);
  assert.match(first.stdout, /^2 images: 2 pushed; 60\d kB sent in [\d.]+ s$/m);
  assert.ok(registry.manifests.has("team-a/a/one:1.0"));
  const second = await run(args);
  assert.match(second.stdout, /^2 images: 2 there already; 0 B sent/m);
});

const SPELLINGS: readonly (readonly string[])[] = [
  ["images", "push", "--images=", "SOURCE", "--no-registry-credential"],
  ["images", "push", "--images", "SOURCE", "--need-credential=false"],
  ["push", "images", "--source", "SOURCE", "--need-credential", "false"],
  ["push", "images", "SOURCE"],
];

for (const spelling of SPELLINGS) {
  test(`${spelling.join(" ")} is understood`, async () => {
    await using registry = await startPushRegistry();
    const args = spelling.map((word) => (word === "SOURCE" ? source : word));
    const { code, stderr } = await run([...args, `--private-registry=${hostOf(registry)}/team-a`, "--plain-http"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.ok(registry.manifests.has("team-a/a/two:1.0"));
  });
}

const USAGE: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [["push", "images", "--source=x"], /--private-registry=HOST:PORT\[\/NAMESPACE\] is missing/],
  [["push", "images", "--private-registry=h"], /--source=PACKAGE is missing/],
  [["push", "images", "--source=a", "--images=b", "--private-registry=h"], /two packages are named, "a" and "b"/],
  [["push", "images", "--source=a", "--private-registry=http://h"], /add --plain-http to allow it/],
  [["push", "images", "--source=a", "--private-registry=h", "--password=p"], /--username is missing/],
  [["push", "images", "--source=a", "--private-registry=h", "--threads=0"], /expected a number from 1 to 1000/],
  [["push", "images", "--source=a", "--private-registry=h", "--need-credential=maybe"], /expected true or false/],
  [
    ["push", "images", "--source=a", "--private-registry=h", "--on-existing-tag=keep"],
    /Allowed choices are overwrite, skip, error/,
  ],
  [["push", "images", "--sauce=a"], /unknown option '--sauce=a'/],
  [["verify", "images", "--private-registry=h"], /one of --source, --list and --node/],
  [["verify", "images", "--private-registry=h", "--list=a", "--node"], /one of --source, --list and --node/],
  [["save", "images", "busybox"], /--output=PACKAGE is missing/],
  [["save", "images", "busybox", "--output=x.zip"], /"x.zip" should end in .tar, .tar.xz, .tar.zst or .tar.gz/],
  [["save", "images", "--output=x.tar"], /no images are named/],
];

for (const [args, message] of USAGE) {
  test(`mirror-agent ${args.join(" ")} exits with 2 and says why`, async () => {
    const { code, stderr } = await run(args);
    assert.equal(code, 2);
    assert.match(stderr, message);
  });
}

test("push images says what is not there", async () => {
  await using registry = await startPushRegistry();
  const args = ["push", "images", "--source=/none", `--private-registry=${hostOf(registry)}`, "--plain-http"];
  assert.deepEqual(await run(args), {
    code: 1,
    stdout: "",
    stderr: 'mirror-agent push images: Cannot read "/none": no such file or folder\n',
  });
});

test("push images names the CA flag where the registry's CA is a private one, and works with it", async () => {
  await using registry = await startPushRegistry({ tls: authority.issue(["IP:127.0.0.1"]) });
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/team-a`, "--need-credential=false"];
  const without = await run(args);
  assert.equal(without.code, 1);
  assert.match(without.stderr, /Cannot reach the registry at https:.*; give the registry's CA with --cacert$/m);
  assert.equal((await run([...args, "--cacert", join(folder, "ca.crt")])).code, 0);
  assert.equal((await run([...args, "--insecure-skip-verify"])).code, 0);
});

test("push images reaches a registry through a proxy with the registry's own CA", async () => {
  await using registry = await startPushRegistry({ tls: authority.issue(["DNS:mirror.test"]) });
  await using proxy = await startProxyServer(Number(new URL(registry.url).port));
  const args = ["push", "images", source, "--private-registry=mirror.test/team-a", "--cacert", join(folder, "ca.crt")];
  const { code, stderr } = await run([...args, "--need-credential=false"], { env: { HTTPS_PROXY: proxy.url } });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(proxy.requests[0]?.line, "CONNECT mirror.test:443");
  assert.ok(registry.manifests.has("team-a/a/one:1.0"));
});

test("push images goes past the proxy to what NO_PROXY names", async () => {
  await using registry = await startPushRegistry();
  await using proxy = await startProxyServer(1);
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}`, "--plain-http"];
  const { code } = await run(args, { env: { HTTP_PROXY: proxy.url, NO_PROXY: "127.0.0.0/8" } });
  assert.equal(code, 0);
  assert.deepEqual(proxy.requests, []);
});

test("push images logs in with --password-stdin", async () => {
  await using registry = await startPushRegistry();
  wantUser(registry, "ann", "se:cret");
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/a`, "--plain-http", "--username=ann"];
  assert.equal((await run([...args, "--password-stdin"], { stdin: "se:cret\n" })).code, 0);
  const wrong = await run([...args, "--password=wrong"]);
  assert.equal(wrong.code, 1);
  assert.match(
    wrong.stderr,
    /Cannot reach the registry at .*: the answer was 401 UNAUTHORIZED: struck; check user and password$/m,
  );
  assert.doesNotMatch(wrong.stderr + wrong.stdout, /wrong/);
});

test("push images takes the Docker config's entry where nobody can be asked", async () => {
  await using registry = await startPushRegistry();
  wantUser(registry, "ann", "secret");
  const auth = Buffer.from("ann:secret").toString("base64");
  await mkdir(join(folder, "docker"));
  await writeFile(join(folder, "docker/config.json"), JSON.stringify({ auths: { [hostOf(registry)]: { auth } } }), {
    mode: 0o600,
  });
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/a`, "--plain-http"];
  const config = { env: { DOCKER_CONFIG: join(folder, "docker") } };
  assert.deepEqual((await run(args, config)).code, 0);
  const asked = await run(args, { ...config, answers: [""] });
  assert.equal(asked.code, 0);
  assert.match(asked.stderr, /^User for 127.0.0.1:\d+ \(empty: .*docker\/config.json\): $/);
});

test("push images asks for user and password on a terminal, and shows no password", async () => {
  await using registry = await startPushRegistry();
  wantUser(registry, "ann", "secret");
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/a`, "--plain-http"];
  const asked = await run(args, { answers: ["ann", "secret"] });
  assert.equal(asked.code, 0);
  assert.match(asked.stderr, /^User for 127.0.0.1:\d+ \(empty: none\): Password of ann at 127.0.0.1:\d+: \n$/);
  assert.doesNotMatch(asked.stdout + asked.stderr, /secret/);
});

test("push images asks nobody where the registry lets everybody in", async () => {
  await using registry = await startPushRegistry();
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/a`, "--plain-http"];
  const { code, stderr } = await run(args, { answers: [] });
  assert.deepEqual([code, stderr], [0, ""]);
});

test("push images --dry-run says what would go where, and changes nothing", async () => {
  await using registry = await startPushRegistry();
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/team-a`, "--plain-http"];
  await run([...args, "--include=*/one:*"]);
  const before = registry.manifests.size;
  const { code, stdout } = await run([...args, "--dry-run"]);
  assert.equal(code, 0);
  assert.match(stdout, /^present {2}gcr.io\/a\/one:1.0 -> 127.0.0.1:\d+\/team-a\/a\/one:1.0$/m);
  assert.match(stdout, /^new {6}gcr.io\/a\/two:1.0 -> /m);
  assert.match(stdout, /^2 images, 2 blobs to send, 30\d kB$/m);
  assert.match(stdout, /^Projects that have to exist, .*: team-a$/m);
  assert.equal(registry.manifests.size, before);
  const json = JSON.parse((await run([...args, "--dry-run", "--output", "json"])).stdout);
  assert.deepEqual([json.blobsToSend, json.repositories], [2, ["team-a/a/one", "team-a/a/two"]]);
});

test("push images --dry-run does not count blobs that the registry has, whatever its manifests", async () => {
  await using registry = await startPushRegistry();
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/team-a`, "--plain-http"];
  await run([...args, "--include=*/one:*"]);
  registry.manifests.clear();
  assert.match((await run([...args, "--dry-run"])).stdout, /^2 images, 2 blobs to send, 30\d kB$/m);
});

test("push images --need-credential=false also leaves the Docker config alone", async () => {
  await using registry = await startPushRegistry();
  wantUser(registry, "ann", "secret");
  const auth = Buffer.from("ann:secret").toString("base64");
  const config = JSON.stringify({ auths: { [hostOf(registry)]: { auth } } });
  await mkdir(join(folder, "unused"));
  await writeFile(join(folder, "unused/config.json"), config, { mode: 0o600 });
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/a`, "--plain-http"];
  const env = { DOCKER_CONFIG: join(folder, "unused") };
  assert.equal((await run(args, { env })).code, 0);
  const without = await run([...args, "--need-credential=false"], { env });
  assert.equal(without.code, 1);
  assert.match(without.stderr, /without user and password: the answer was 401/);
});

test("push images --output json writes one object a line, and a report at the end", async () => {
  await using registry = await startPushRegistry();
  registry.strike(/^PUT .*one\/manifests/, 1, status(503));
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}`, "--plain-http", "--output", "json"];
  const { stdout } = await run(args);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const kinds = new Set(lines.map(({ event }) => event));
  assert.deepEqual(kinds, new Set(["planned", "blobStarted", "blobDone", "retry", "imageDone", "report"]));
  const report = lines.at(-1);
  assert.deepEqual([report.event, report.blobsUploaded, report.retries, report.images.length], ["report", 4, 1, 2]);
});

test("push images shows one live display on a terminal and takes it away at the end", async () => {
  await using registry = await startPushRegistry();
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}`, "--plain-http"];
  const { stdout } = await run(args, { answers: [] });
  assert.match(stdout, /█|░/);
  const left = stdout.slice(stdout.lastIndexOf("\u001b[J") + 3);
  assert.match(left, /^2 images: 2 pushed; .*\n$/);
});

test("push images exits with 1, lists what failed and how to go on", async () => {
  await using registry = await startPushRegistry();
  registry.strike(/^POST .*two/, 100, status(403, "DENIED"));
  const args = [
    "push",
    "images",
    source,
    `--private-registry=${hostOf(registry)}/team-a`,
    "--plain-http",
    "--keep-going",
  ];
  const { code, stdout } = await run(args);
  assert.equal(code, 1);
  assert.match(stdout, /^2 images: 1 pushed, 1 failed;/m);
  assert.match(
    stdout,
    /^Failed:\n {2}gcr.io\/a\/two:1.0: Cannot upload blob sha256:\w+ to team-a\/a\/two: the answer was 403 DENIED/m,
  );
  assert.match(stdout, /Run the same command again to go on; nothing is sent twice\.\n$/);
});

test("push images says how to go on when it is interrupted", async () => {
  await using registry = await startPushRegistry();
  const stop = new AbortController();
  registry.strike(/^PUT .*two\/blobs/, 1, () => stop.abort());
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}`, "--plain-http", "--threads=1"];
  const { code, stdout } = await run(args, { signal: stop.signal });
  assert.equal(code, 1);
  assert.match(stdout, /not finished;.*\nRun the same command again to go on; nothing is sent twice\.\n$/);
});

test("push images checks a signature before it sends anything", async () => {
  await using registry = await startPushRegistry();
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const path = join(folder, "signed.tar");
  await writeFile(join(folder, "public.key"), publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(join(folder, "private.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
  execFileSync("tar", ["-C", source, "-cf", path, "."]);
  const args = ["push", "images", path, `--private-registry=${hostOf(registry)}`, "--plain-http"];
  const checked = [...args, "--public-key", join(folder, "public.key")];
  assert.match((await run(checked)).stderr, /Cannot read ".*signed.tar.1.sig": no such file/);
  execFileSync("openssl", ["dgst", "-sha256", "-sign", join(folder, "private.key"), "-out", `${path}.1.sig`, path]);
  assert.equal((await run([...checked, "--dry-run"])).code, 0);
  await writeFile(path, "tampered");
  const { code, stderr } = await run(checked);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /Cannot trust ".*signed.tar": ".*signed.tar.1.sig" is not its signature by the key in ".*public.key"/,
  );
  assert.equal(registry.count(/^P/), 0);
});

test("verify images compares a mirror with a package, and exits with 1 when anything is missing", async () => {
  await using registry = await startPushRegistry();
  const to = [`--private-registry=${hostOf(registry)}/team-a`, "--plain-http"];
  await run(["push", "images", source, ...to]);
  const good = await run(["verify", "images", source, ...to]);
  assert.equal(good.code, 0);
  assert.match(good.stdout, /^ok {9}gcr.io\/a\/one:1.0 at http:\/\/127.0.0.1:\d+\/v2\/team-a$/m);
  assert.match(good.stdout, /^2 images: 2 ok$/m);
  registry.manifests.delete("team-a/a/two:1.0");
  const bad = await run(["verify", "images", source, ...to, "--output", "json"]);
  assert.equal(bad.code, 1);
  const states = bad.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ image, finding }) => [image, finding.state]);
  assert.deepEqual(Object.fromEntries(states), { "gcr.io/a/one:1.0": "ok", "gcr.io/a/two:1.0": "missing" });
});

test("verify images asks every mirror of the config for what it mirrors, with its CA and pull credentials", async () => {
  await using one = await startPushRegistry({ tls: authority.issue(["IP:127.0.0.1"]) });
  await using other = await startPushRegistry({ tls: authority.issue(["IP:127.0.0.1"]) });
  const ca = ["--cacert", join(folder, "ca.crt")];
  await run(["push", "images", source, `--private-registry=${hostOf(one)}/team-a`, ...ca]);
  wantUser(one, "node", "pull");
  const auth = Buffer.from("node:pull").toString("base64");
  await writeFile(join(folder, "pull.json"), JSON.stringify({ auths: { [hostOf(one)]: { auth } } }), { mode: 0o600 });
  const mirror = (url: string, hosts: string, extra = "") =>
    `  - endpoint: ${url}\n    hosts: [${hosts}]\n    caCertPath: ${join(folder, "ca.crt")}\n${extra}`;
  const pull = `    pullCredentialConfigPath: ${join(folder, "pull.json")}\n`;
  const config = `registryMirrors:\n${mirror(`${one.url}/v2/team-a`, "gcr.io", pull)}${mirror(other.url, "quay.io")}`;
  await writeFile(join(folder, "config.yaml"), config);
  await writeFile(join(folder, "list"), "gcr.io/a/one:1.0\nquay.io/b/c:1\ndocker.io/d/e:1\n");
  const args = ["--config", join(folder, "config.yaml"), "verify", "images", "--list", join(folder, "list")];
  const { code, stdout, stderr } = await run(args);
  assert.deepEqual([code, stderr], [1, ""]);
  assert.match(stdout, new RegExp(`^ok +gcr.io/a/one:1.0 at ${one.url}/v2/team-a$`, "m"));
  assert.match(stdout, new RegExp(`^missing +quay.io/b/c:1 at ${other.url}$`, "m"));
  assert.match(stdout, /^2 images: 1 ok, 1 missing$/m);
  assert.ok(one.requests.includes("GET /v2/team-a/a/one/manifests/1.0?ns=gcr.io"));
});

test("save images makes a package of a list that push images pushes elsewhere", async () => {
  await using from = await startPushRegistry();
  await using to = await startPushRegistry();
  await run(["push", "images", source, `--private-registry=${hostOf(from)}/team-a`, "--plain-http"]);
  const list = join(folder, "save-list");
  await writeFile(list, `${hostOf(from)}/team-a/a/one:1.0 # one\n${hostOf(from)}/team-a/a/two:1.0\n`);
  const path = join(folder, "saved.tar.zst");
  const saved = await run(["save", "images", "--list", list, "--output", path, "--plain-http"]);
  assert.deepEqual([saved.code, saved.stderr], [0, ""]);
  assert.match(saved.stdout, /^saved 2 images, 60\d kB unpacked: .*saved.tar.zst$/m);
  assert.equal((await run(["push", "images", path, `--private-registry=${hostOf(to)}`, "--plain-http"])).code, 0);
  assert.deepEqual(to.manifests.get("team-a/a/one:1.0")?.bytes, one.manifest.bytes);
});
