import assert from "node:assert/strict";
import { test } from "node:test";
import { formatImageName, parseImageName } from "../../src/core/image-name.ts";
import { passesGlobs } from "../../src/push/glob.ts";
import { nameImage } from "../../src/push/name-image.ts";
import { mirrorRepository, parsePushAddress } from "../../src/push/push-address.ts";
import { parseImageList, wishesOfNode } from "../../src/push/wanted-images.ts";

const D = `sha256:${"ab".repeat(32)}`;

const NAMES: readonly (readonly [string, string | null])[] = [
  ["busybox", "docker.io/library/busybox"],
  ["busybox:1.36", "docker.io/library/busybox:1.36"],
  ["index.docker.io/busybox:1", "docker.io/library/busybox:1"],
  ["team/app", "docker.io/team/app"],
  ["gcr.io/a/b:1.0", "gcr.io/a/b:1.0"],
  [`gcr.io/a/b@${D}`, `gcr.io/a/b@${D}`],
  [`gcr.io/a/b:1.0@${D}`, `gcr.io/a/b:1.0@${D}`],
  ["localhost/a:1", "localhost/a:1"],
  ["172.18.0.20:5000/a", "172.18.0.20:5000/a"],
  ["[fd00::1]:5000/a:1", "[fd00::1]:5000/a:1"],
  ["gcr.io/Upper/b", null],
  ["gcr.io/a:b:c", null],
  ["gcr.io/a@sha256:12", null],
  ["", null],
  ["gcr.io/", null],
];

for (const [text, expected] of NAMES) {
  test(`parseImageName() reads "${text}" as ${expected}`, () => {
    const name = parseImageName(text);
    assert.equal(name === null ? null : formatImageName(name), expected);
  });
}

const PLACES: readonly (readonly [name: string | null, origin: string, expected: string, guessed: boolean])[] = [
  ["gcr.io/a/b:1.0", "x.tar", "gcr.io/a/b:1.0", false],
  ["gcr.io/a/b", "x.tar", "gcr.io/a/b:latest", false],
  ["1.0", "package/gcr.io/a/pause.tar", "gcr.io/a/pause:1.0", true],
  ["1.0", "package.tar/pause.oci.tar", "docker.io/library/pause:1.0", true],
  ["1.0", "pause", "docker.io/library/pause:1.0", true],
  [null, "package/gcr.io%2Fa%2Fpause:3.9.tar", "gcr.io/a/pause:3.9", true],
  [null, "My Images.tar.xz", "docker.io/library/my-images", true],
];

for (const [name, origin, expected, guessed] of PLACES) {
  test(`nameImage() calls ${name} in ${origin} ${expected}`, () => {
    const named = nameImage({ name, origin } as Parameters<typeof nameImage>[0]);
    assert.ok(typeof named !== "string", String(named));
    assert.deepEqual([formatImageName(named.name), named.guessed], [expected, guessed]);
  });
}

test("nameImage() says what is no name", () => {
  const root = {} as Parameters<typeof nameImage>[0]["root"];
  assert.equal(nameImage({ name: "gcr.io/UPPER:1", origin: "p", root }), '"gcr.io/UPPER:1" in "p" is no image name');
  assert.equal(nameImage({ name: "a b", origin: "p", root }), '"a b" in "p" is no tag');
});

const ADDRESSES: readonly (readonly [string, boolean, string, string])[] = [
  ["172.18.0.20:5000", false, "https://172.18.0.20:5000", ""],
  ["172.18.0.20:5000/team-a", false, "https://172.18.0.20:5000", "team-a"],
  ["https://172.18.0.20:5000/v2/team-a/images/", false, "https://172.18.0.20:5000", "team-a/images"],
  ["mirror.corp/v2", false, "https://mirror.corp", ""],
  ["mirror.corp:5000/v2/", true, "http://mirror.corp:5000", ""],
  ["http://mirror.corp/a", true, "http://mirror.corp", "a"],
];

for (const [text, plainHttp, origin, namespace] of ADDRESSES) {
  test(`parsePushAddress() reads "${text}" as ${origin} and namespace "${namespace}"`, () => {
    const address = parsePushAddress(text, { plainHttp });
    assert.deepEqual([address.origin, address.namespace], [origin, namespace]);
  });
}

const WRONG: readonly (readonly [string, RegExp])[] = [
  ["http://mirror.corp", /http sends passwords in the clear; add --plain-http/],
  ["ftp://mirror.corp", /the scheme is "ftp", expected https/],
  ["user:secret@mirror.corp", /user and password do not belong here/],
  ["mirror.corp/Team", /the namespace "Team" may hold lower-case letters/],
  ["", /expected HOST:PORT/],
  ["mirror.corp/a?b", /expected HOST:PORT/],
];

for (const [text, message] of WRONG) {
  test(`parsePushAddress() refuses "${text}" without repeating a secret`, () => {
    assert.throws(
      () => parsePushAddress(text, { plainHttp: false }),
      (error: Error) => message.test(error.message) && !error.message.includes("secret"),
    );
  });
}

test("mirrorRepository() puts the namespace in front", () => {
  assert.equal(mirrorRepository({ namespace: "team-a" }, "a/b"), "team-a/a/b");
  assert.equal(mirrorRepository({ namespace: "" }, "a/b"), "a/b");
});

test("passesGlobs() lets a star cross slashes, and nothing else be special", () => {
  const globs = { include: ["*pause*", "gcr.io/a+b/?"], exclude: ["*:dev"] };
  const names = ["gcr.io/x/pause:3.9", "gcr.io/x/pause:dev", "gcr.io/a+b/c", "gcr.io/aab/c", "gcr.io/a+b/cd"];
  assert.deepEqual(
    names.filter((name) => passesGlobs(name, globs)),
    ["gcr.io/x/pause:3.9", "gcr.io/a+b/c"],
  );
});

test("parseImageList() reads names and comments and reports every line that is none", () => {
  const wishes = parseImageList(`# all\nbusybox # small\n\ngcr.io/a/b:1@${D}\n`);
  assert.deepEqual(
    wishes.map(({ name, digest }) => [formatImageName(name), digest]),
    [
      ["docker.io/library/busybox:latest", null],
      [`gcr.io/a/b:1@${D}`, D],
    ],
  );
  assert.throws(() => parseImageList("a b\nok\nC"), /expected image names, found line 1: "a b", line 3: "C"/);
});

test("wishesOfNode() pairs each tag with the digest of its own repository", () => {
  const wishes = wishesOfNode([
    { repoTags: ["gcr.io/a/b:1", "gcr.io/c/d:2"], repoDigests: [`gcr.io/a/b@${D}`] },
    { repoTags: [], repoDigests: [`gcr.io/e/f@${D}`] },
  ]);
  assert.deepEqual(
    wishes.map(({ name, digest }) => [formatImageName(name), digest]),
    [
      ["gcr.io/a/b:1", D],
      ["gcr.io/c/d:2", null],
      [`gcr.io/e/f@${D}`, D],
    ],
  );
});
