import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findCanaries, isUnfit, nameOfCanary, promisedCanary } from "../../src/core/canary.ts";

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;

function image(name: string, size: number) {
  return { repoDigests: [name], size };
}

const IMAGES = [
  image(`gcr.io/big/app@${digest("1")}`, 900),
  image(`gcr.io/google-containers/pause@${digest("2")}`, 10),
  image(`docker.io/library/busybox@${digest("3")}`, 20),
  image(`quay.io/team/app@${digest("4")}`, 1),
  image(`quay.io/team/also@${digest("4")}`, 1),
  { repoDigests: [], size: 0 },
  image("gcr.io/odd/app@sha512:00000000000000000000000000000000", 0),
];

const namesFor = (hosts: string[], images = IMAGES) =>
  findCanaries(images, hosts).map(({ registry, repository }) => `${registry}/${repository}`);

describe("findCanaries()", () => {
  test("gives the images of the mirror's registries, the smallest first", () => {
    assert.deepEqual(namesFor(["gcr.io"]), ["gcr.io/google-containers/pause", "gcr.io/big/app"]);
    assert.deepEqual(namesFor(["docker.io", "gcr.io"])[1], "docker.io/library/busybox");
    assert.deepEqual(namesFor(["registry.corp:5000"]), []);
  });

  test("gives every image for a mirror of every registry", () => assert.equal(namesFor(["*"]).length, 5));

  test("has them by digest, and promises nothing", () => {
    const [first] = findCanaries(IMAGES, ["gcr.io"]);
    assert.deepEqual([first?.reference, first?.isPromised], [digest("2"), false]);
  });

  test("does not depend on the order in which the node lists them", () => {
    assert.deepEqual(namesFor(["*"], [...IMAGES].reverse()), namesFor(["*"]));
  });
});

const PROMISES: readonly (readonly [
  string,
  string[],
  { registry: string | null; repository: string },
  string | null,
])[] = [
  [
    "of the first registry where none is named",
    ["gcr.io", "docker.io"],
    { registry: null, repository: "pause" },
    "gcr.io/pause:1",
  ],
  ["of the registry that is named", ["*", "gcr.io"], { registry: "quay.io", repository: "pause" }, "quay.io/pause:1"],
  ["of docker.io in full", ["docker.io"], { registry: null, repository: "busybox" }, "docker.io/library/busybox:1"],
  ["of docker.io for every registry", ["*"], { registry: null, repository: "team/app" }, "docker.io/team/app:1"],
  ["not of another mirror's registry", ["docker.io"], { registry: "gcr.io", repository: "pause" }, null],
];

describe("promisedCanary() is the operator's image", () => {
  for (const [name, hosts, wanted, expected] of PROMISES) {
    test(name, () => {
      const probe = { image: { ...wanted, reference: "1" }, maxLatencyMs: null };
      const canary = promisedCanary({ hosts, probe });
      assert.equal(canary && nameOfCanary(canary), expected);
      assert.notEqual(canary?.isPromised, false);
    });
  }

  test("if there is one", () => {
    assert.equal(promisedCanary({ hosts: ["*"], probe: { image: null, maxLatencyMs: null } }), null);
  });
});

test("isUnfit() excuses a mirror only for what nobody promised, and only where it says so at once", () => {
  const picked = { registry: "gcr.io", repository: "a", reference: digest("1"), isPromised: false };
  assert.deepEqual(
    (["not-found", "forbidden", "unauthorized", "server-error", "body-stall", "wrong-digest"] as const).map((reason) =>
      isUnfit(picked, reason),
    ),
    [true, true, true, false, false, false],
  );
  assert.equal(isUnfit({ ...picked, isPromised: true }, "not-found"), false);
});

test("nameOfCanary() cuts a digest short", () => {
  const canary = { registry: "gcr.io", repository: "a/b", reference: digest("1"), isPromised: false };
  assert.equal(nameOfCanary(canary), "gcr.io/a/b@sha256:111111111111");
});
