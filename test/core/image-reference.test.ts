import assert from "node:assert/strict";
import { test } from "node:test";
import { formatImageName } from "../../src/core/image-name.ts";
import { objectOf, parseImageReference } from "../../src/core/image-reference.ts";

const HEX = "0123456789abcdef".repeat(4);

const ACCEPTED = [
  ["busybox", "docker.io/library/busybox:latest"],
  ["busybox:1.36", "docker.io/library/busybox:1.36"],
  ["team/app", "docker.io/team/app:latest"],
  ["docker.io/busybox", "docker.io/library/busybox:latest"],
  ["index.docker.io/library/busybox", "docker.io/library/busybox:latest"],
  ["registry-1.docker.io/busybox", "registry-1.docker.io/busybox:latest"],
  ["gcr.io/app", "gcr.io/app:latest"],
  ["gcr.io/team/app:v1_2.3-x", "gcr.io/team/app:v1_2.3-x"],
  ["localhost/app", "localhost/app:latest"],
  ["localhost:5000/app:1", "localhost:5000/app:1"],
  ["registry:5000/app", "registry:5000/app:latest"],
  ["[::1]:5000/app", "[::1]:5000/app:latest"],
  ["Registry/app", "Registry/app:latest"],
  [`gcr.io/app@sha256:${HEX}`, `gcr.io/app@sha256:${HEX}`],
  [`gcr.io/app:1.0@sha256:${HEX}`, `gcr.io/app@sha256:${HEX}`],
] as const;

for (const [text, full] of ACCEPTED) {
  test(`parseImageReference() reads "${text}" as ${full}`, () => {
    const parsed = parseImageReference(text);
    assert.ok(parsed.ok);
    assert.equal(formatImageName(parsed.reference), full);
    assert.ok(full.endsWith(objectOf(parsed.reference)));
  });
}

const REFUSED = [
  ["", /^it is empty$/],
  [HEX, /an image's id/],
  ["https://gcr.io/app", /a scheme/],
  ["gcr.io/ app", /white space/],
  ["gcr.io/Team/app", /upper-case letters/],
  ["team/App", /upper-case letters/],
  ["gcr.io/app:-1", /its tag is none/],
  ["gcr.io/app:", /its tag is none/],
  [`gcr.io/app@sha256:${HEX.slice(1)}`, /has 63 digits, sha256 has 64/],
  [`gcr.io/app@sha257:${HEX}`, /of the unknown kind "sha257"/],
  ["gcr.io/app@latest", /its digest is none/],
  [`gcr.io/app@sha256:${HEX.toUpperCase()}`, /digest/],
  ["gcr.io/", /no name of an image/],
  [`gcr.io/${"a".repeat(300)}`, /longer than 255/],
] as const;

for (const [text, because] of REFUSED) {
  test(`parseImageReference() refuses "${text.slice(0, 40)}" because of ${because}`, () => {
    const parsed = parseImageReference(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.because, because);
  });
}
