import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseImageName } from "../../src/core/image-name.ts";
import { inlineContent } from "../../src/push/content.ts";
import { loadImages } from "../../src/push/load-images.ts";
import { openPackage } from "../../src/push/open-package.ts";
import { fetchForSave, packageFiles } from "../../src/push/save-images.ts";
import { type Finding, ImageVerifier } from "../../src/push/verify-image.ts";
import { formatOfName, type PackageFormat, writePackage } from "../../src/push/write-package.ts";
import { type Blob, sha256 } from "../lab/image.ts";
import { type PushRegistry, startPushRegistry, status } from "./push-registry.ts";
import { descriptorOf, makeScene, packageOf, pushPackage, sharingImages } from "./push-scene.ts";

const signal = new AbortController().signal;
const { one, other, index } = sharingImages();
const bundle = packageOf({ "gcr.io/a/multi:1.0": [index, one, other], "gcr.io/a/one:1.0": one });
const BIG = one.layers[0]?.digest ?? "";
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "save-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function startFilled(): Promise<PushRegistry> {
  const registry = await startPushRegistry();
  await pushPackage(bundle, { url: registry.url });
  return registry;
}

async function verify(
  registry: PushRegistry,
  options: { deep?: boolean; digest?: string; platforms?: string[] } = {},
): Promise<Finding> {
  const scene = makeScene({ url: registry.url });
  const { deep = false, platforms = [], digest = index.digest } = options;
  const wanted = {
    name: "gcr.io/a/multi:1.0",
    registry: "gcr.io",
    repository: "team-a/a/multi",
    reference: "1.0",
    digest,
  };
  try {
    return await new ImageVerifier(scene.session, { deep, platforms }).verify(wanted);
  } finally {
    await scene.close();
  }
}

test("ImageVerifier asks as containerd does, with ?ns=", async () => {
  await using registry = await startFilled();
  registry.requests.length = 0;
  assert.deepEqual(await verify(registry), { state: "ok" });
  assert.equal(registry.requests[0], "GET /v2/team-a/a/multi/manifests/1.0?ns=gcr.io");
  assert.ok(registry.requests.every((line) => line.endsWith("?ns=gcr.io")));
  assert.equal(registry.count(/^HEAD .*blobs/), 5);
});

test("ImageVerifier with deep reads every blob once", async () => {
  await using registry = await startFilled();
  registry.requests.length = 0;
  assert.deepEqual(await verify(registry, { deep: true }), { state: "ok" });
  assert.equal(registry.count(/^GET .*blobs/), 5);
});

test("ImageVerifier reads on where a connection broke", async () => {
  await using registry = await startFilled();
  const part = new RegExp(`^GET .*blobs/${BIG}`);
  registry.strike(part, 1, ({ response }) => {
    response
      .writeHead(200, { "content-length": 600_000 })
      .write(registry.blobs.get(`team-a/a/multi@${BIG}`)?.subarray(0, 100_000));
    setImmediate(() => response.socket?.resetAndDestroy());
  });
  assert.deepEqual(await verify(registry, { deep: true }), { state: "ok" });
  assert.equal(registry.count(part), 2);
});

const LOST: readonly (readonly [
  name: string,
  damage: (registry: PushRegistry) => void,
  deep: boolean,
  expected: unknown,
])[] = [
  ["a missing tag", (registry) => registry.manifests.delete("team-a/a/multi:1.0"), false, { state: "missing" }],
  [
    "a tag with other content",
    (registry) =>
      registry.manifests.set("team-a/a/multi:1.0", { type: one.manifest.mediaType, bytes: one.manifest.bytes }),
    false,
    { state: "differs", digest: one.manifest.digest },
  ],
  [
    "a lost manifest of one platform",
    (registry) => registry.manifests.delete(`team-a/a/multi@${other.manifest.digest}`),
    false,
    { state: "incomplete", lost: [`manifest ${other.manifest.digest}`] },
  ],
  [
    "a lost blob",
    (registry) => registry.blobs.delete(`team-a/a/multi@${BIG}`),
    false,
    { state: "incomplete", lost: [`blob ${BIG}`] },
  ],
  [
    "a blob of another size",
    (registry) => registry.blobs.set(`team-a/a/multi@${BIG}`, Buffer.from("short")),
    false,
    { state: "incomplete", lost: [`blob ${BIG}`] },
  ],
];

for (const [name, damage, deep, expected] of LOST) {
  test(`ImageVerifier finds ${name}`, async () => {
    await using registry = await startFilled();
    damage(registry);
    assert.deepEqual(await verify(registry, { deep }), expected);
  });
}

test("ImageVerifier with deep finds one wrong byte, which the shallow look cannot", async () => {
  await using registry = await startFilled();
  const bytes = Buffer.from(registry.blobs.get(`team-a/a/multi@${BIG}`) ?? []);
  bytes[1000] = 255 - (bytes[1000] ?? 0);
  registry.blobs.set(`team-a/a/multi@${BIG}`, bytes);
  assert.deepEqual(await verify(registry), { state: "ok" });
  const finding = await verify(registry, { deep: true });
  assert.equal(finding.state, "incomplete");
  assert.match(finding.state === "incomplete" ? (finding.lost[0] ?? "") : "", /its bytes are sha256:/);
});

test("ImageVerifier looks only at the platforms that are wanted", async () => {
  await using registry = await startFilled();
  registry.manifests.delete(`team-a/a/multi@${other.manifest.digest}`);
  assert.deepEqual(await verify(registry, { platforms: ["linux/amd64"] }), { state: "ok" });
});

test("ImageVerifier tells a registry that cannot be asked from a lost image", async () => {
  await using registry = await startFilled();
  registry.strike(/blobs/, 100, status(500));
  const finding = await verify(registry);
  assert.equal(finding.state, "failed");
  assert.match(finding.state === "failed" ? finding.reason : "", /Cannot ask for blob .*: the answer was 500/);
});

async function save(
  registry: PushRegistry,
  names: readonly string[],
  { file, platforms = [] }: { file: string; platforms?: string[] },
) {
  const scene = makeScene({ url: registry.url });
  try {
    const wanted = names.map((name) => parseImageName(`${new URL(registry.url).host}/${name}`));
    const fetched = wanted.map((name) => name && fetchForSave({ name, session: scene.session }, platforms));
    const images = (await Promise.all(fetched)).filter((image) => image !== null);
    const path = join(folder, file);
    await writePackage(packageFiles(images, signal), { path, format: formatOfName(file) as PackageFormat }, signal);
    return path;
  } finally {
    await scene.close();
  }
}

const SAVED = ["team-a/a/multi:1.0", "team-a/a/one:1.0"];

for (const ending of ["tar", "tar.xz", "tar.zst", "tar.gz"]) {
  test(`writePackage() writes a .${ending} that is read as it was meant, with the same bytes each time`, async () => {
    await using registry = await startFilled();
    const path = await save(registry, SAVED, { file: `a.${ending}` });
    const again = await save(registry, SAVED.toReversed(), { file: `b.${ending}` });
    assert.deepEqual(await readFile(path), await readFile(again));
    const images = await openPackage(path, { workdir: folder, signal });
    await using target = await startPushRegistry();
    const { results } = await pushPackage(images, { url: target.url, plan: { namespace: "" } });
    await images.close();
    assert.deepEqual(
      results.map(({ state, digest }) => [state, digest]),
      [
        ["pushed", index.digest],
        ["pushed", one.manifest.digest],
      ],
    );
    assert.deepEqual(target.blobs, new Map([...registry.blobs]));
  });
}

test("writePackage() writes a tar that tar reads", async () => {
  await using registry = await startFilled();
  const path = await save(registry, SAVED, { file: "listed.tar" });
  const names = execFileSync("tar", ["-tf", path], { encoding: "utf8" }).trim().split("\n");
  assert.deepEqual(names.slice(0, 2), ["oci-layout", "index.json"]);
  assert.equal(names.length, 2 + 3 + 5);
});

test("fetchForSave() takes one platform alone, without asking for the others", async () => {
  await using registry = await startFilled();
  registry.requests.length = 0;
  const path = await save(registry, ["team-a/a/multi:1.0"], { file: "one.tar", platforms: ["linux/arm64"] });
  assert.equal(
    registry.requests.some((line) => line.includes(one.manifest.digest)),
    false,
  );
  const images = await openPackage(path, { workdir: folder, signal });
  const { loaded } = await loadImages(images);
  assert.deepEqual(
    loaded.map(({ graph }) => graph.root.digest),
    [other.manifest.digest],
  );
});

test("writePackage() leaves nothing behind when a blob cannot be read", async () => {
  await using registry = await startFilled();
  registry.blobs.delete(`team-a/a/one@${BIG}`);
  const before = await readdir(folder);
  for (const ending of ["tar", "tar.xz", "tar.zst"]) {
    const saving = save(registry, ["team-a/a/one:1.0"], { file: `lost.${ending}` });
    await assert.rejects(saving, /Cannot read blob .*: the answer was 404 BLOB_UNKNOWN/);
  }
  assert.deepEqual(await readdir(folder), before);
});

test("fetchForSave() names the image that is not there", async () => {
  await using registry = await startFilled();
  await assert.rejects(
    save(registry, ["team-a/none:1"], { file: "x.tar" }),
    /Cannot save 127.0.0.1:\d+\/team-a\/none:1: Cannot read team-a\/none:1: the registry does not have it/,
  );
});

function signatureOf(subject: Blob): Blob {
  const { mediaType, digest, bytes } = subject;
  const config = {
    mediaType: "application/vnd.test.signature",
    digest: one.config.digest,
    size: one.config.bytes.length,
  };
  const type = "application/vnd.oci.image.manifest.v1+json";
  const value = {
    schemaVersion: 2,
    mediaType: type,
    config,
    layers: [],
    subject: { mediaType, digest, size: bytes.length },
  };
  const text = Buffer.from(JSON.stringify(value));
  return { mediaType: type, digest: sha256(text), bytes: text };
}

function signedBundle() {
  const signature = signatureOf(one.manifest);
  const { images, blobs } = packageOf({ "gcr.io/a/one:1.0": one });
  const nameless = { name: null, origin: "p", root: descriptorOf(signature) };
  return {
    signature,
    parts: {
      images: [...images, nameless],
      blobs: new Map(blobs).set(signature.digest, inlineContent(signature.bytes)),
    },
  };
}

test("pushReferrer() keeps the list of referrers itself where the registry does not, and adds to one that is there", async () => {
  await using registry = await startPushRegistry();
  const { signature, parts } = signedBundle();
  const reference = `team-a/a/one:${one.manifest.digest.replace(":", "-")}`;
  const foreign = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: other.manifest.digest, size: 1 };
  const list = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [foreign] };
  registry.manifests.set(reference, { type: list.mediaType, bytes: Buffer.from(JSON.stringify(list)) });
  registry.manifests.set(`team-a/a/one@${other.manifest.digest}`, { type: "x", bytes: Buffer.alloc(0) });
  await pushPackage(parts, { url: registry.url });
  const stored = JSON.parse(registry.manifests.get(reference)?.bytes.toString() ?? "{}");
  assert.deepEqual(stored.manifests, [
    foreign,
    {
      mediaType: signature.mediaType,
      digest: signature.digest,
      size: signature.bytes.length,
      artifactType: "application/vnd.test.signature",
    },
  ]);
  await pushPackage(parts, { url: registry.url, run: { recheck: true } });
  assert.equal(JSON.parse(registry.manifests.get(reference)?.bytes.toString() ?? "{}").manifests.length, 2);
});

test("pushReferrer() leaves the list to a registry that keeps it", async () => {
  await using registry = await startPushRegistry({ referrers: true });
  const { signature, parts } = signedBundle();
  const { results } = await pushPackage(parts, { url: registry.url });
  assert.deepEqual(
    results.map(({ state }) => state),
    ["pushed"],
  );
  assert.ok(registry.manifests.has(`team-a/a/one@${signature.digest}`));
  assert.ok(![...registry.manifests.keys()].some((place) => place.includes(":sha256-")));
});

test("runPush() brings a signature to an image that is there already", async () => {
  await using registry = await startPushRegistry();
  await pushPackage(packageOf({ "gcr.io/a/one:1.0": one }), { url: registry.url });
  const { signature, parts } = signedBundle();
  const { results } = await pushPackage(parts, { url: registry.url });
  assert.deepEqual(
    results.map(({ state }) => state),
    ["pushed"],
  );
  assert.ok(registry.manifests.has(`team-a/a/one@${signature.digest}`));
});
