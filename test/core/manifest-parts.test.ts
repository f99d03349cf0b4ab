import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readManifestParts } from "../../src/core/manifest-parts.ts";

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const part = (digit: string, size: number, platform?: object) => ({
  digest: digest(digit),
  size,
  ...(platform && { platform }),
});
const WANTED = { architecture: "arm64", enoughBytes: 200 };
const read = (value: unknown) => readManifestParts(JSON.stringify(value), WANTED);

describe("readManifestParts()", () => {
  test("gives the smallest blob, be it the config or a layer", () => {
    const layers = [part("2", 150), part("3", 30)];
    assert.deepEqual(read({ schemaVersion: 2, config: part("1", 100), layers })?.blobs, [part("3", 30)]);
    assert.deepEqual(read({ schemaVersion: 2, config: part("1", 3), layers })?.blobs, [part("1", 3)]);
  });

  test("gives the next that has enough bytes, too", () => {
    const layers = [part("2", 900), part("3", 30), part("4", 200)];
    assert.deepEqual(read({ schemaVersion: 2, config: part("1", 100), layers })?.blobs, [
      part("3", 30),
      part("4", 200),
    ]);
    assert.deepEqual(read({ schemaVersion: 2, layers: [part("2", 900), part("4", 200)] })?.blobs, [part("4", 200)]);
  });

  test("gives an index's manifest for this machine, or else its first", () => {
    const linux = (architecture: string) => ({ os: "linux", architecture });
    const manifests = [part("1", 5, linux("amd64")), part("2", 5, linux("arm64"))];
    assert.deepEqual(read({ schemaVersion: 2, manifests }), { child: digest("2"), blobs: [] });
    assert.equal(read({ schemaVersion: 2, manifests: [part("1", 5)] })?.child, digest("1"));
  });

  test("finds nothing to fetch in an image without layers", () => {
    assert.deepEqual(read({ schemaVersion: 2 }), { child: null, blobs: [] });
  });

  for (const text of [
    "",
    "<html>",
    "[]",
    "{}",
    '{"schemaVersion":1}',
    '{"schemaVersion":2,"layers":[{"digest":"../x","size":1}]}',
  ]) {
    test(`takes ${text || "nothing"} for no manifest`, () => {
      assert.equal(readManifestParts(text, WANTED), null);
    });
  }
});
