import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";
import { progressTimeoutMs } from "../../../src/core/explain/progress-timeout.ts";

const V2 = 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n';
const V3 = 'version = 3\n[plugins."io.containerd.cri.v1.images"]\n';

type Release = readonly [major: number, minor: number, patch: number];

const ROWS: readonly (readonly [name: string, release: Release, text: string, ms: number | null])[] = [
  ["the default of early 1.7", [1, 7, 9], "", 60_000],
  ["the default since", [2, 1, 9], "", 300_000],
  ["what is set on 1.7", [1, 7, 24], `${V2}image_pull_progress_timeout = "1m30s"\n`, 90_000],
  ["what is set on 2.1", [2, 1, 9], `${V3}image_pull_progress_timeout = "30s"\n`, 30_000],
  ["what 2.1 carries over from an older section", [2, 1, 9], `${V2}image_pull_progress_timeout = "7m"\n`, 420_000],
  ["never where it is switched off", [1, 7, 24], `${V2}image_pull_progress_timeout = "0s"\n`, null],
  ["never on 1.6, whatever is set", [1, 6, 20], `${V2}image_pull_progress_timeout = "1m"\n`, null],
  ["the default where it is no duration", [1, 7, 24], `${V2}image_pull_progress_timeout = "5"\n`, 300_000],
];

for (const [name, [major, minor, patch], text, ms] of ROWS) {
  test(`progressTimeoutMs() is ${name}`, () => {
    const version = { major, minor, patch };
    const { images } = resolveConfig([{ path: "/config.toml", text }], version);
    assert.equal(progressTimeoutMs(images, version), ms);
  });
}
