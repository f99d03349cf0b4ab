import assert from "node:assert/strict";
import { test } from "node:test";
import { readManifest } from "../../../src/core/explain/read-manifest.ts";
import { buildImage, buildIndex } from "../../lab/image.ts";

test("readManifest() finds the smallest blob and counts the layers", () => {
  const image = buildImage({ layerSizes: [5000, 1, 9000] });
  const blobs = [image.config, ...image.layers].toSorted((a, b) => a.bytes.length - b.bytes.length);
  const [smallest] = blobs;
  assert.deepEqual(readManifest(image.manifest.bytes.toString(), "amd64"), {
    kind: "image",
    smallest: { digest: smallest?.digest, size: smallest?.bytes.length },
    layers: 3,
  });
});

test("readManifest() finds this platform's manifest in an index, or that there is none", () => {
  const images = { amd64: buildImage({ seed: "a" }), arm64: buildImage({ seed: "b" }) };
  const text = buildIndex(images).bytes.toString();
  assert.deepEqual(readManifest(text, "arm64"), { kind: "index", child: images.arm64.manifest.digest });
  assert.deepEqual(readManifest(text, "s390x"), { kind: "index", child: null });
});

for (const text of ["", "<html>", "[]", "{}", '{"config":{"digest":1}}']) {
  test(`readManifest() takes ${JSON.stringify(text)} for nothing that it knows`, () => {
    assert.deepEqual(readManifest(text, "amd64"), { kind: "unknown" });
  });
}
