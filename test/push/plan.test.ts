import assert from "node:assert/strict";
import { test } from "node:test";
import { inlineContent } from "../../src/push/content.ts";
import { manifestsOf } from "../../src/push/graph.ts";
import { loadImages } from "../../src/push/load-images.ts";
import { type PlanOptions, placeOf, planPush } from "../../src/push/plan.ts";
import { type Blob, buildImage, buildIndex, type Image, sha256 } from "../lab/image.ts";
import { descriptorOf, packageOf, sharingImages } from "./push-scene.ts";

const { one, other, index } = sharingImages();
const MULTI = packageOf({ "gcr.io/a/multi:1.0": [index, one, other] });

type Parts = ReturnType<typeof packageOf>;

async function plan(parts: Parts, options: Partial<PlanOptions> = {}) {
  const { loaded, problems } = await loadImages(parts);
  assert.deepEqual(problems, []);
  return planPush(loaded, { namespace: "ns", include: [], exclude: [], platforms: [], ...options });
}

const json = (mediaType: string, value: object): Blob => {
  const bytes = Buffer.from(JSON.stringify(value));
  return { mediaType, bytes, digest: sha256(bytes) };
};
const OCI = "application/vnd.oci.image";
const short = ({ mediaType, digest, bytes }: Blob) => ({ mediaType, digest, size: bytes.length });

test("planPush() drops the registry, keeps the path and puts the namespace in front", async () => {
  const { images, problems } = await plan(
    packageOf({ "gcr.io/a/b:1": one, "busybox:2": other, [`x.io/c@${one.manifest.digest}`]: one }),
  );
  assert.deepEqual(images.map(placeOf), ["ns/a/b:1", "ns/library/busybox:2", `ns/c@${one.manifest.digest}`]);
  assert.deepEqual(
    images.map(({ registry }) => registry),
    ["gcr.io", "docker.io", "x.io"],
  );
  assert.deepEqual(problems, []);
});

test("planPush() refuses two images with one place, and takes the same image twice once", async () => {
  const same = await plan(packageOf({ "gcr.io/a/b:1": one, "quay.io/a/b:1": one }));
  assert.deepEqual(
    same.images.map(({ name }) => name),
    ["quay.io/a/b:1"],
  );
  const { images, problems } = await plan(packageOf({ "gcr.io/a/b:1": one, "quay.io/a/b:1": other }));
  assert.deepEqual(images, []);
  assert.match(
    problems[0]?.message ?? "",
    /"quay.io\/a\/b:1" would go to the same place, ns\/a\/b:1, with other content/,
  );
  assert.equal(problems.length, 2);
});

test("planPush() keeps what include and exclude say", async () => {
  const parts = packageOf({ "gcr.io/a/b:1": one, "gcr.io/a/c:1": other });
  assert.deepEqual(
    (await plan(parts, { include: ["*/b:*"] })).images.map(({ name }) => name),
    ["gcr.io/a/b:1"],
  );
  assert.deepEqual(
    (await plan(parts, { exclude: ["*/b:*"] })).images.map(({ name }) => name),
    ["gcr.io/a/c:1"],
  );
});

const PLATFORMS = [
  [["linux/amd64"], one.manifest.digest],
  [["linux/arm64"], other.manifest.digest],
  [["linux/amd64", "linux/arm64"], index.digest],
] as const;

for (const [platforms, digest] of PLATFORMS) {
  test(`planPush() for ${platforms.join(" and ")} takes ${digest.slice(0, 15)}`, async () => {
    const { images } = await plan(MULTI, { platforms });
    assert.equal(images[0]?.root.digest, digest);
  });
}

test("planPush() makes a smaller index where several platforms of more are wanted", async () => {
  const third = buildImage({ seed: "third", architecture: "s390x" });
  const three = buildIndex({ amd64: one, arm64: other, s390x: third });
  const parts = packageOf({ "gcr.io/a/multi:1.0": [three, one, other, third] });
  const { images } = await plan(parts, { platforms: ["linux/amd64", "linux/s390x"] });
  const root = images[0]?.root;
  assert.deepEqual(
    root?.children.map(({ digest }) => digest),
    [one.manifest.digest, third.manifest.digest],
  );
  assert.equal(root?.digest, sha256(root?.bytes ?? Buffer.alloc(0)));
  const value = JSON.parse(Buffer.from(root?.bytes ?? []).toString());
  assert.deepEqual(
    value.manifests.map((child: { platform: object }) => child.platform),
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "s390x", os: "linux" },
    ],
  );
});

test("planPush() keeps the attestations of the platforms that it keeps, and no others", async () => {
  const [first, second, third] = ["1", "2", "3"].map((seed) => buildImage({ seed }));
  assert.ok(first && second && third);
  const attest = (subject: Image, seed: string) => {
    const proof = buildImage({ seed: `proof ${seed}` });
    const annotations = {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": subject.manifest.digest,
    };
    const platform = { os: "unknown", architecture: "unknown" };
    return { proof, entry: { ...short(proof.manifest), platform, annotations } };
  };
  const proofs = [attest(first, "1"), attest(third, "3")];
  const entryOf = (image: Image, architecture: string) => ({
    ...short(image.manifest),
    platform: { os: "linux", architecture },
  });
  const listed = [
    entryOf(first, "amd64"),
    entryOf(second, "arm64"),
    entryOf(third, "s390x"),
    ...proofs.map(({ entry }) => entry),
  ];
  const whole = json(`${OCI}.index.v1+json`, { schemaVersion: 2, manifests: listed });
  const parts = packageOf({ "gcr.io/a/b:1": [whole, first, second, third, ...proofs.map(({ proof }) => proof)] });
  const { images } = await plan(parts, { platforms: ["linux/amd64", "linux/arm64"] });
  const kept = images[0]?.root.children.map(({ digest }) => digest);
  assert.deepEqual(kept, [first.manifest.digest, second.manifest.digest, proofs[0]?.proof.manifest.digest]);
});

test("planPush() says that an image has nothing for a platform", async () => {
  const { problems } = await plan(MULTI, { platforms: ["linux/s390x"] });
  assert.deepEqual(problems, [{ image: "gcr.io/a/multi:1.0", message: "it has nothing for linux/s390x" }]);
});

test("planPush() refuses an index with gaps unless the platforms that are there are chosen", async () => {
  const gaps = packageOf({ "gcr.io/a/multi:1.0": [index, one] });
  const { images, problems } = await plan(gaps);
  assert.deepEqual(images, []);
  assert.match(
    problems[0]?.message ?? "",
    new RegExp(`lacks ${other.manifest.digest} for linux/arm64, and .* choose what it has with --platform`),
  );
  assert.equal((await plan(gaps, { platforms: ["linux/amd64"] })).images.length, 1);
});

test("planPush() says which blob is missing or has the wrong size", async () => {
  const { images, blobs } = packageOf({ "gcr.io/a/b:1": one });
  const digest = one.layers[1]?.digest ?? "";
  const without = new Map(blobs);
  without.delete(digest);
  assert.equal((await plan({ images, blobs: without })).problems[0]?.message, `the package lacks blob ${digest}`);
  const short = new Map(blobs).set(digest, inlineContent(Buffer.alloc(3)));
  assert.match(
    (await plan({ images, blobs: short })).problems[0]?.message ?? "",
    /damaged: blob .* has 3 bytes instead of/,
  );
});

test("planPush() pushes a layer that may not be handed on if the package has it, and names the mend if not", async () => {
  const layer = { ...(one.layers[1] as Blob), mediaType: `${OCI}.layer.nondistributable.v1.tar+gzip` };
  const manifest = json(`${OCI}.manifest.v1+json`, {
    schemaVersion: 2,
    config: short(one.config),
    layers: [short(layer)],
  });
  const image: Image = { manifest, config: one.config, layers: [layer] };
  const { images, blobs } = packageOf({ "gcr.io/a/windows:1": image });
  assert.equal((await plan({ images, blobs })).images.length, 1);
  const without = new Map(blobs);
  without.delete(layer.digest);
  const { problems } = await plan({ images, blobs: without });
  assert.match(
    problems[0]?.message ?? "",
    /a layer that may not be handed on .*; save the image again with such layers/,
  );
});

test("planPush() reads nested indexes, empty blobs that have no file, and blobs that stand in the descriptor", async () => {
  const empty = { mediaType: `${OCI}.layer.v1.tar`, digest: sha256(Buffer.alloc(0)), size: 0 };
  const text = Buffer.from("{}");
  const inline = {
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: sha256(text),
    size: 2,
    data: text.toString("base64"),
  };
  const manifest = json(`${OCI}.manifest.v1+json`, { schemaVersion: 2, config: inline, layers: [empty] });
  const inner = json(`${OCI}.index.v1+json`, { schemaVersion: 2, manifests: [short(manifest)] });
  const outer = json(`${OCI}.index.v1+json`, { schemaVersion: 2, manifests: [short(inner)] });
  const blobs = new Map([manifest, inner, outer].map((blob) => [blob.digest, inlineContent(blob.bytes)]));
  const { images } = await plan({ images: [{ name: "gcr.io/a/b:1", origin: "p", root: descriptorOf(outer) }], blobs });
  const root = images[0]?.root;
  assert.deepEqual(root && manifestsOf(root).map(({ digest }) => digest), [
    manifest.digest,
    inner.digest,
    outer.digest,
  ]);
});

test("planPush() attaches what points at an image or its parts, and leaves out parts that stand beside it", async () => {
  const sign = (subject: Blob) =>
    json(`${OCI}.manifest.v1+json`, {
      schemaVersion: 2,
      config: short(one.config),
      layers: [],
      subject: short(subject),
    });
  const signature = sign(one.manifest);
  const ofSignature = sign(signature);
  const { images, blobs } = MULTI;
  const more = new Map(blobs);
  for (const blob of [signature, ofSignature]) more.set(blob.digest, inlineContent(blob.bytes));
  const nameless = [signature, ofSignature, one.manifest].map((blob) => ({
    name: null,
    origin: "p",
    root: descriptorOf(blob),
  }));
  const planned = await plan({ images: [...images, ...nameless], blobs: more });
  assert.equal(planned.images.length, 1);
  assert.deepEqual(
    planned.images[0]?.referrers.map(({ digest }) => digest),
    [signature.digest, ofSignature.digest],
  );
});

test("planPush() refuses a name whose digest is not that of the content", async () => {
  const { problems } = await plan(packageOf({ [`gcr.io/a/b@${other.manifest.digest}`]: one }));
  assert.equal(
    problems[0]?.message,
    `its name asks for ${other.manifest.digest}, the package has ${one.manifest.digest}`,
  );
});

test("loadImages() refuses what is no manifest with what is wrong about it", async () => {
  const cases: [object, RegExp][] = [
    [{ schemaVersion: 1 }, /it is a Docker schema 1 manifest, which containerd no longer pulls/],
    [{ schemaVersion: 2 }, /it is neither an image manifest nor an index/],
    [
      { schemaVersion: 2, config: short(one.config), layers: [{ digest: 1 }] },
      /it lists a descriptor without digest or size/,
    ],
    [[], /it is not a JSON object/],
  ];
  for (const [value, message] of cases) {
    const blob = json(`${OCI}.manifest.v1+json`, value);
    const images = [{ name: "a/b:1", origin: "p", root: descriptorOf(blob) }];
    const { problems } = await loadImages({ images, blobs: new Map([[blob.digest, inlineContent(blob.bytes)]]) });
    assert.match(problems[0]?.message ?? "", message);
  }
});
