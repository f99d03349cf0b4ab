import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBE_IMAGE_PATTERN, parseProbeImage } from "../../../src/core/config/probe-image.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

const READ: readonly (readonly [string, string | null, string, string])[] = [
  ["pause:3.2", null, "pause", "3.2"],
  ["team/pause:3.2", null, "team/pause", "3.2"],
  [`team/pause@${DIGEST}`, null, "team/pause", DIGEST],
  [`team/pause:3.2@${DIGEST}`, null, "team/pause", DIGEST],
  ["gcr.io/google-containers/pause:3.2", "gcr.io", "google-containers/pause", "3.2"],
  ["docker.io/busybox:1", "docker.io", "library/busybox", "1"],
  ["localhost/pause:1", "localhost", "pause", "1"],
  ["registry.corp:5000/a/b:1", "registry.corp:5000", "a/b", "1"],
  ["[fd00::1]:5000/a:1", "[fd00::1]:5000", "a", "1"],
];

for (const [text, registry, repository, reference] of READ) {
  test(`parseProbeImage() reads "${text}"`, () => {
    assert.deepEqual(parseProbeImage(text), { ok: true, value: { registry, repository, reference } });
    assert.match(text, PROBE_IMAGE_PATTERN);
  });
}

for (const text of [
  "",
  "pause",
  "gcr.io/team/pause",
  "gcr.io/Team/pause:1",
  "https://gcr.io/a:1",
  "a b:1",
  "a@sha256:1",
]) {
  test(`parseProbeImage() refuses "${text}"`, () => assert.equal(parseProbeImage(text).ok, false));
}
