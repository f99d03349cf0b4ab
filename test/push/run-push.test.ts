// Pushes against a registry with switched faults: after each, the content is complete and right, or the failure says why.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Secret } from "../../src/core/credentials/secret.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { buildImage } from "../lab/image.ts";
import {
  type Fault,
  type PushRegistry,
  type PushRegistryOptions,
  resetAfter,
  sha256,
  stall,
  startPushRegistry,
  status,
} from "./push-registry.ts";
import { packageOf, pushPackage, type SceneResult, sharingImages } from "./push-scene.ts";

const authority = makeAuthority();
const { one, other, index } = sharingImages();
const bundle = packageOf({ "gcr.io/a/one:1.0": one, "gcr.io/b/multi:2.0": [index, one, other] });
const BIG = one.layers[0]?.digest ?? "";

/** Everything is there under its own digest, and nothing half-done is left. */
function assertComplete(registry: PushRegistry, { results }: SceneResult): void {
  assert.deepEqual(
    results.map(({ state, target, reason }) => ({ state, target, reason })),
    [
      { state: "pushed", target: `${new URL(registry.url).host}/team-a/a/one:1.0`, reason: null },
      { state: "pushed", target: `${new URL(registry.url).host}/team-a/b/multi:2.0`, reason: null },
    ],
  );
  assert.deepEqual(registry.manifests.get("team-a/a/one:1.0")?.bytes, one.manifest.bytes);
  assert.deepEqual(registry.manifests.get("team-a/b/multi:2.0")?.bytes, index.bytes);
  for (const [place, bytes] of registry.blobs) assert.equal(place.split("@")[1], sha256(bytes));
  assert.equal(registry.blobs.size, 3 + 5);
}

test("runPush() uploads each blob once, mounts it elsewhere and puts tags last", async () => {
  await using registry = await startPushRegistry();
  const scene = await pushPackage(bundle, { url: registry.url });
  assertComplete(registry, scene);
  assert.equal(registry.count(/^PUT .*blobs\/uploads.*digest=/), 5);
  assert.equal(registry.count(/^POST .*mount=/), 3);
  const lastBlob = registry.requests.findLastIndex((line) => /multi\/blobs/.test(line));
  const puts = registry.requests
    .map((line, at) => ({ line, at }))
    .filter(({ line }) => /^PUT .*multi\/manifests/.test(line));
  assert.deepEqual(
    puts.map(({ line }) => line.replace(/.*manifests\//, "")),
    [one.manifest.digest, other.manifest.digest, "2.0"],
  );
  assert.ok(puts.every(({ at }) => at > lastBlob));
});

test("runPush() sends nothing the second time", async () => {
  await using registry = await startPushRegistry();
  await pushPackage(bundle, { url: registry.url });
  const before = registry.requests.length;
  const { results, events } = await pushPackage(bundle, { url: registry.url });
  assert.deepEqual(
    results.map(({ state }) => state),
    ["present", "present"],
  );
  assert.deepEqual(
    registry.requests.slice(before).map((line) => line.split(" ")[0]),
    ["HEAD", "HEAD"],
  );
  assert.ok(!events.some(({ kind }) => kind === "blobSent"));
});

test("runPush() sends no blob that an interrupted run brought already", async () => {
  await using registry = await startPushRegistry();
  await pushPackage(bundle, { url: registry.url });
  registry.manifests.clear();
  const { results, events } = await pushPackage(bundle, { url: registry.url });
  assert.deepEqual(
    results.map(({ state }) => state),
    ["pushed", "pushed"],
  );
  assert.ok(!events.some(({ kind }) => kind === "blobSent"));
});

test("runPush() finds a lost blob again when told to recheck", async () => {
  await using registry = await startPushRegistry();
  await pushPackage(bundle, { url: registry.url });
  registry.blobs.delete(`team-a/a/one@${BIG}`);
  const run = { recheck: true };
  assertComplete(registry, await pushPackage(bundle, { url: registry.url, run }));
});

interface Case {
  readonly name: string;
  readonly options?: PushRegistryOptions;
  readonly strike?: readonly [RegExp, number, Fault];
  /** Where one is to be found: short, and a busy machine looks like one. */
  readonly stallTimeoutMs?: number;
  readonly check?: (registry: PushRegistry, scene: SceneResult) => void;
}

const upload = /^PUT .*blobs\/uploads/;
const bigUpload = new RegExp(`^PUT .*${BIG.slice(7)}`);

const SURVIVED: readonly Case[] = [
  { name: "relative Locations", options: { location: "relative" } },
  {
    name: "Locations that fell back to http and lost their port",
    options: { location: "downgraded", tls: authority.issue(["IP:127.0.0.1"]) },
  },
  {
    name: "a registry that mounts nothing",
    options: { mount: 202 },
    check: (registry) => assert.equal(registry.count(/^POST/), 8),
  },
  { name: "a registry that refuses a mount", strike: [/mount=/, 100, status(405, "UNSUPPORTED")] },
  {
    name: "a reset in mid-blob whose session is lost",
    strike: [bigUpload, 2, resetAfter(100_000)],
    check: (registry) => assert.ok(registry.count(/^PATCH/) === 0),
  },
  { name: "a 500 after a blob", strike: [upload, 2, status(500)] },
  { name: "a full disk for a while", strike: [upload, 2, status(507, "UNKNOWN")] },
  { name: "an upload that the registry forgot", strike: [upload, 1, status(404, "BLOB_UPLOAD_UNKNOWN")] },
  { name: "502s on manifests", strike: [/^PUT .*manifests/, 3, status(502)] },
  { name: "a 503 on the first question", strike: [/^HEAD .*manifests/, 1, status(503)] },
  { name: "a forbidden question for a blob", strike: [/^HEAD .*blobs/, 100, status(403, "DENIED")] },
  { name: "a stall in mid-blob", strike: [bigUpload, 1, stall()], stallTimeoutMs: 400 },
];

for (const { name, options, strike, stallTimeoutMs, check } of SURVIVED) {
  test(`runPush() gets through ${name}`, async () => {
    await using registry = await startPushRegistry(options);
    if (strike) registry.strike(...strike);
    const ca = options?.tls ? { ca: authority.cert } : {};
    const scene = await pushPackage(bundle, { url: registry.url, ...(stallTimeoutMs && { stallTimeoutMs }), ...ca });
    assertComplete(registry, scene);
    check?.(registry, scene);
  });
}

test("runPush() goes on where a broken upload ended if the registry kept it", async () => {
  await using registry = await startPushRegistry({ broken: "kept" });
  registry.strike(bigUpload, 1, async ({ request }, answer) => {
    let taken = 0;
    request.on("data", (piece: Buffer) => {
      taken += piece.length;
      if (taken > 300_000) request.socket.resetAndDestroy();
    });
    await answer();
  });
  const scene = await pushPackage(packageOf({ "gcr.io/a/one:1.0": one }), { url: registry.url, threads: 1 });
  assert.equal(scene.results[0]?.state, "pushed");
  assert.equal(registry.count(/^PATCH/), 1);
  assert.equal(registry.count(/^POST/), 3);
  const sent = scene.events.reduce((sum, event) => sum + (event.kind === "blobSent" ? event.bytes : 0), 0);
  assert.ok(sent < 600_000 + 400_000, `${sent} bytes were sent`);
  assert.equal(sha256(registry.blobs.get(`team-a/a/one@${BIG}`) ?? Buffer.alloc(0)), BIG);
});

test("runPush() holds all workers back for as long as Retry-After says", async () => {
  await using registry = await startPushRegistry();
  registry.strike(/^POST/, 3, status(429, "TOOMANYREQUESTS", { "retry-after": "7" }));
  const scene = await pushPackage(bundle, { url: registry.url });
  assertComplete(registry, scene);
  assert.ok(scene.waitsMs.includes(7000), `${scene.waitsMs}`);
});

test("runPush() renews a token that ends in mid-upload and goes on in the same session", async () => {
  await using registry = await startPushRegistry();
  const challenge = { "www-authenticate": `Bearer realm="${registry.url}/token",service="lab"` };
  let issued = 0;
  registry.strike(/^GET \/token/, 100, ({ response }) => {
    response.writeHead(200).end(JSON.stringify({ token: `token-${++issued}`, expires_in: 300 }));
  });
  const spent = new Set<string>();
  const refused = new Set<string>();
  registry.strike(/./, 1000, ({ method, url, request, response }) => {
    const token = request.headers.authorization ?? "";
    const ends = method === "PUT" && url.pathname.includes("/uploads/") && !refused.has(url.pathname);
    if (ends) spent.add(token);
    if (ends) refused.add(url.pathname);
    if (token !== "" && !spent.has(token)) return false;
    request.resume();
    response.writeHead(401, challenge).end();
    return true;
  });
  const credential = { kind: "basic", username: "u", password: new Secret("p") } as const;
  const scene = await pushPackage(packageOf({ "gcr.io/a/one:1.0": one }), {
    url: registry.url,
    credential,
    threads: 1,
  });
  assert.deepEqual(
    scene.results.map(({ state, reason }) => [state, reason]),
    [["pushed", null]],
  );
  assert.equal(refused.size, 3, "each upload had one session");
  assert.equal(registry.count(/^PUT .*uploads/), 6);
  assert.ok(issued >= 3);
});

interface Failure {
  readonly name: string;
  readonly strike: readonly [RegExp, number, Fault];
  readonly reason: RegExp;
  readonly tries: number;
}

const FAILED: readonly Failure[] = [
  {
    name: "no push right",
    strike: [/^POST .*one/, 100, status(403, "DENIED")],
    reason: /Cannot upload blob sha256:\w+ to team-a\/a\/one: the answer was 403 DENIED: struck; the user may not/,
    tries: 1,
  },
  {
    name: "a proxy's limit",
    strike: [/^PUT .*one\/blobs/, 100, status(413)],
    reason: /the answer was 413; a proxy in front of it limits the size/,
    tries: 1,
  },
  {
    name: "a 500 that stays",
    strike: [/^PUT .*one\/manifests/, 100, status(500)],
    reason: /Cannot push team-a\/a\/one:1.0: the answer was 500/,
    tries: 4,
  },
  {
    name: "a manifest that it does not like",
    strike: [/^PUT .*one\/manifests/, 100, status(400, "MANIFEST_INVALID")],
    reason: /MANIFEST_INVALID/,
    tries: 1,
  },
];

for (const { name, strike, reason, tries } of FAILED) {
  test(`runPush() gives up on ${name} after ${tries === 1 ? "one try" : `${tries} tries`} and pushes the others`, async () => {
    await using registry = await startPushRegistry();
    registry.strike(...strike);
    const { results } = await pushPackage(bundle, { url: registry.url, threads: 1, run: { keepGoing: true } });
    assert.deepEqual(
      results.map(({ state }) => state),
      ["failed", "pushed"],
    );
    assert.match(results[0]?.reason ?? "", reason);
    assert.equal(registry.sessions.size, 0);
    assert.equal(registry.manifests.has("team-a/a/one:1.0"), false);
    if (/manifests/.test(strike[0].source)) assert.equal(registry.count(strike[0]), tries);
  });
}

test("runPush() stops the others at a failure unless told to keep going", async () => {
  await using registry = await startPushRegistry();
  registry.strike(/^HEAD .*one\/manifests/, 1, status(403, "DENIED"));
  const { results } = await pushPackage(bundle, { url: registry.url });
  assert.deepEqual(
    results.map(({ state }) => state),
    ["failed", "stopped"],
  );
});

test("runPush() finds bytes that are not those of their digest before they are complete at the registry", async () => {
  await using registry = await startPushRegistry();
  const { images, blobs } = packageOf({ "gcr.io/a/one:1.0": one });
  const bytes = Buffer.from(one.layers[0]?.bytes ?? []);
  bytes[5000] = 255 - (bytes[5000] ?? 0);
  const damaged = new Map(blobs).set(BIG, { kind: "inline", bytes, size: bytes.length });
  const { results } = await pushPackage({ images, blobs: damaged }, { url: registry.url });
  assert.equal(results[0]?.state, "failed");
  assert.match(
    results[0]?.reason ?? "",
    new RegExp(`Cannot push blob ${BIG}: the package is damaged, its bytes are sha256:`),
  );
  assert.equal(registry.blobs.has(`team-a/a/one@${BIG}`), false);
});

test("runPush() leaves no upload open when it is interrupted, and a second run completes it", async () => {
  await using registry = await startPushRegistry();
  const stop = new AbortController();
  registry.strike(upload, 100, async ({ request }) => {
    await once(request, "data");
    stop.abort();
  });
  const parts = packageOf({ "gcr.io/a/one:1.0": buildImage({ seed: "i", layerSizes: [5_000_000] }) });
  const { results } = await pushPackage(parts, { url: registry.url, signal: stop.signal });
  assert.deepEqual(
    results.map(({ state }) => state),
    ["stopped"],
  );
  assert.equal(registry.sessions.size, 0);
  assert.equal(registry.manifests.size, 0);
});

const EXISTING = [
  ["overwrite", "pushed", "arm64"],
  ["skip", "skipped", "amd64"],
  ["error", "failed", "amd64"],
] as const;

for (const [onExistingTag, state, there] of EXISTING) {
  test(`runPush() with ${onExistingTag} leaves a tag with other content ${state}`, async () => {
    await using registry = await startPushRegistry();
    await pushPackage(packageOf({ "gcr.io/a/one:1.0": one }), { url: registry.url });
    const { results } = await pushPackage(packageOf({ "gcr.io/a/one:1.0": other }), {
      url: registry.url,
      run: { onExistingTag },
    });
    assert.equal(results[0]?.state, state);
    const bytes = registry.manifests.get("team-a/a/one:1.0")?.bytes;
    assert.deepEqual(bytes, (there === "amd64" ? one : other).manifest.bytes);
  });
}

test("runPush() passes a registry's warning on once", async () => {
  await using registry = await startPushRegistry();
  registry.strike(/./, 1000, ({ response }) => {
    response.setHeader("warning", '299 - "project is nearly full"');
    return false;
  });
  const { events } = await pushPackage(bundle, { url: registry.url });
  const warnings = events.filter(({ kind }) => kind === "warning");
  assert.deepEqual(warnings, [{ kind: "warning", message: "project is nearly full" }]);
});
