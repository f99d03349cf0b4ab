// A mirror whose storage is dead: /v2/ and manifests are answered from memory, blobs never come. Real containerds
// hang on it; the agent finds it by an image that the node itself has, without being told of any.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Status } from "../../src/report/status.ts";
import { startAgent } from "../lab/agent.ts";
import { forgetImage, startContainerd } from "../lab/containerd.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";

const IMAGES = { kept: buildImage({ seed: "kept" }), wanted: buildImage({ seed: "wanted", layerSizes: [20_000] }) };
const FILES = new Map([...filesOf(IMAGES.kept, "lab/kept", "1.0"), ...filesOf(IMAGES.wanted, "lab/wanted", "1.0")]);

const isMirror =
  (state: "up" | "down") =>
  ({ endpoints, routes }: Status): boolean =>
    endpoints.some((endpoint) => endpoint.role === "mirror" && endpoint.state === state) &&
    routes.every(({ failedOver }) => failedOver === (state === "down"));

const blobsAsked = ({ requests }: FaultyServer, by: RegExp) =>
  requests.filter(({ url, headers }) => url.includes("/blobs/") && by.test(headers["user-agent"] ?? "")).length;

/** Resolves when the agent has an image to probe with: one that the node has just pulled. */
async function untilProbed(mirror: FaultyServer): Promise<void> {
  for (const end = Date.now() + 30_000; blobsAsked(mirror, /^mirror-agent/) === 0; await delay(20))
    assert.ok(Date.now() < end, "the agent probes deeply");
}

for (const version of CONTAINERD_VERSIONS) {
  test(`run leaves a mirror that serves no blobs to containerd ${version}, and comes back`, {
    skip: labMissing(),
  }, async () => {
    await using workspace = await createWorkspace();
    const start = async (): Promise<FaultyServer> => {
      const server = await startFaultyServer({ source: { files: FILES } });
      workspace.onEnd(() => server.close());
      return server;
    };
    const [mirror, upstream] = [await start(), await start()];
    const containerd = await startContainerd(workspace, { version });
    const config = `registryMirrors: [{ endpoint: "${mirror.url}" }]
agent:
  probe: { interval: 1s, timeout: 500ms }
  jitter: { failover: 0s, failback: 0s }
  upstreams: { gcr.io: { endpoint: "${upstream.url}" } }
`;
    const agent = await startAgent(workspace, { root: containerd.dir, config });
    await agent.untilStatus(isMirror("up"));
    await containerd.cri.pullImage("gcr.io/lab/kept:1.0", { timeoutMs: 30_000 });
    await untilProbed(mirror);
    await mirror.become("blob-silent");
    const down = await agent.untilStatus(isMirror("down"), { timeoutMs: 40_000 });
    const [endpoint] = down.endpoints.filter(({ role }) => role === "mirror");
    assert.equal(endpoint?.reason, "response-timeout");
    assert.match(endpoint?.detail ?? "", /^blob of gcr\.io\/lab\/kept@sha256:[0-9a-f]{12}: no answer/);

    const before = blobsAsked(mirror, /^containerd/);
    await containerd.cri.pullImage("gcr.io/lab/wanted:1.0", { timeoutMs: 30_000 });
    assert.equal(blobsAsked(mirror, /^containerd/), before, "pulls go past it");
    assert.ok(blobsAsked(upstream, /^containerd/) > 0);
    await forgetImage(containerd, "gcr.io/lab/wanted:1.0");

    await mirror.become("healthy");
    await agent.untilStatus(isMirror("up"));
    await containerd.cri.pullImage("gcr.io/lab/wanted:1.0", { timeoutMs: 30_000 });
    assert.ok(blobsAsked(mirror, /^containerd/) > before, "pulls go through it again");
  });
}

test("run finds a hollow mirror by the pull that hangs there, long before its next deep probe", {
  skip: labMissing(),
}, async () => {
  await using workspace = await createWorkspace();
  const [mirror, upstream] = [
    await startFaultyServer({ source: { files: FILES } }),
    await startFaultyServer({ source: { files: FILES } }),
  ];
  workspace.onEnd(async () => void (await Promise.all([mirror.close(), upstream.close()])));
  const containerd = await startContainerd(workspace, { version: "1.7" });
  // Every sixth probe is one in two minutes.
  const config = `registryMirrors: [{ endpoint: "${mirror.url}" }]
agent:
  probe: { interval: 20s, timeout: 500ms }
  upstreams: { gcr.io: { endpoint: "${upstream.url}" } }
`;
  const agent = await startAgent(workspace, { root: containerd.dir, config });
  await agent.untilStatus(isMirror("up"));
  await containerd.cri.pullImage("gcr.io/lab/kept:1.0", { timeoutMs: 30_000 });
  await mirror.become("blob-silent");
  const startedAtMs = performance.now();
  await containerd.cri.pullImage("gcr.io/lab/wanted:1.0", { timeoutMs: 90_000 });
  // Half an interval of rest, two probes, and freeing.
  assert.ok(performance.now() - startedAtMs < 60_000, "not at the next deep probe");
  assert.ok(blobsAsked(upstream, /^containerd/) > 0);
});
