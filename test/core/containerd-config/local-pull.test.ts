import assert from "node:assert/strict";
import { test } from "node:test";
import { alwaysPullsLocally, pullsLocally } from "../../../src/core/containerd-config/local-pull.ts";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";

const V2 = 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n';
const V2_INNER = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\n';
const RUNC = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n';
const V3 = 'version = 3\n[plugins."io.containerd.cri.v1.images"]\n';

/** Settings of 2.1.9, whether they make it pull with the CRI's own code, and whether the registry table makes it so. */
const ROWS: readonly (readonly [name: string, text: string, isLocal: boolean, byRegistry?: boolean])[] = [
  ["nothing", "", false],
  ["the defaults, written out", `${V2}max_concurrent_downloads = 3\nimage_pull_with_sync_fs = false\n`, false],
  ["use_local_image_pull", `${V3}use_local_image_pull = true\n`, true],
  ["another number of downloads", `${V2}max_concurrent_downloads = 10\n`, true],
  ["sync_fs", `${V3}image_pull_with_sync_fs = true\n`, true],
  ["layers that are discarded", `${V3}discard_unpacked_layers = true\n`, true],
  ["layers that are discarded, in the older section", `${V2_INNER}discard_unpacked_layers = true\n${RUNC}`, true],
  ["the same without runtimes, which is not carried over", `${V2_INNER}discard_unpacked_layers = true\n`, false],
  ["snapshot annotations", `${V3}disable_snapshot_annotations = false\n`, true],
  ["mirrors", `${V2}registry.mirrors."gcr.io".endpoint = ["https://m"]\n`, true, true],
  ["a login", `${V3}registry.configs."m".auth.username = "a"\n`, true, true],
  ["an older login", `${V3}registry.auths."https://m".username = "a"\n`, true, true],
];

for (const [name, text, isLocal, byRegistry = false] of ROWS) {
  test(`pullsLocally() is ${isLocal} on 2.1 with ${name}`, () => {
    const version = { major: 2, minor: 1, patch: 9 };
    const { images } = resolveConfig([{ path: "/config.toml", text }], version);
    assert.equal(pullsLocally(images, version), isLocal);
    assert.equal(alwaysPullsLocally(images, version), isLocal && !byRegistry);
  });
}

test("pullsLocally() is true before 2.1, whatever is set", () => {
  assert.equal(pullsLocally({}, { major: 2, minor: 0, patch: 9 }), true);
});

test("pullsLocally() sees what 2.3 carries over from a file of version 2 among newer ones", () => {
  const version = { major: 2, minor: 3, patch: 0 };
  const files = ["version = 4\n", `${V2}max_concurrent_downloads = 10\n`];
  const { images } = resolveConfig(
    files.map((text, index) => ({ path: `/${index}.toml`, text })),
    version,
  );
  assert.equal(pullsLocally(images, version), true);
});
