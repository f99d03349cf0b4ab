import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFinding } from "../../../src/core/doctor/image-finding.ts";
import type { Answer } from "../../../src/core/explain/answers.ts";
import type { ExplainedHost } from "../../../src/core/explain/explanation.ts";

const answered = (status: number, isWrong = false): Answer => ({
  ...{ kind: "answered", status, ms: 1, digest: "sha256:a", mediaType: "", isWrong, bytes: 10 },
});
const host = (role: ExplainedHost["role"], endpoint: string, status = 200, isDamaged = false): ExplainedHost => ({
  ...{ role, endpoint, url: `${endpoint}/app/manifests/1`, capabilities: [], credential: "none", dialTimeoutMs: 1 },
  ...{ certificateExpiresAt: null, manifest: answered(status), manifestByDigest: answered(status) },
  blob: answered(status, isDamaged),
});
const find = (hosts: readonly ExplainedHost[], ...mirrors: readonly string[]) =>
  compileFinding({ image: "gcr.io/app:1", hosts }, { mirrors: mirrors.map((url) => ({ url })), nowMs: 0 });

test("compileFinding() takes what hosts.toml calls the server for the upstream", () => {
  const found = find([host("host", "https://m/v2", 404), host("server", "https://gcr.io/v2")], "https://m");
  assert.deepEqual([found.isAtMirror, found.isAtUpstream, found.haveMirrorsAnswered], [false, true, true]);
});

for (const [name, mirror, root] of [
  ["", "https://second:5000", "https://second:5000/v2"],
  [" with a namespace", "https://second:5000/v2/team", "https://second:5000/v2/team"],
] as const) {
  test(`compileFinding() takes the last mirror${name} for one where no upstream may be asked`, () => {
    const found = find([host("host", "https://m/v2", 404), host("server", root, 200, true)], "https://m", mirror);
    assert.deepEqual([found.isAtMirror, found.isAtUpstream, found.haveMirrorsAnswered], [true, false, true]);
    assert.deepEqual(
      found.troubles.map(({ endpoint, part }) => [endpoint, part]),
      [[root, "blob"]],
    );
  });
}

test("compileFinding() judges a mirror that is alone", () => {
  const found = find([host("server", "https://m/v2", 404)], "https://m");
  assert.deepEqual([found.isAtMirror, found.isAtUpstream, found.haveMirrorsAnswered], [false, false, true]);
});

test("compileFinding() knows of no mirrors where only the upstream is asked", () => {
  const found = find([host("registry", "https://gcr.io/v2")], "https://m");
  assert.deepEqual([found.isAtUpstream, found.haveMirrorsAnswered], [true, false]);
});
