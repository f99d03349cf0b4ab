// A mirror whose storage is dead: /v2/ and manifests are answered from memory, blobs never come. Real containerds
// hang on it; the agent finds it by an image that the node itself has, without being told of any.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
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
    await containerd.cri.pullImage("gcr.io/lab/kept:1.0", { timeoutMs: 10_000 });
    assert.equal(blobsAsked(mirror, /^mirror-agent/), 0, "there was no image to probe with");
    // A new node has no image yet, and is not asked again for a minute: so the agent starts anew.
    agent.signal("SIGTERM");
    assert.equal(await agent.ended, 0);
    await rm(join(containerd.dir, "run/mirror-agent/status.json"));

    const second = await startAgent(workspace, { root: containerd.dir, config: null });
    await second.untilStatus(isMirror("up"));
    assert.equal(blobsAsked(mirror, /^mirror-agent/), 1, "an image that the node has");
    await mirror.become("blob-silent");
    const down = await second.untilStatus(isMirror("down"), { timeoutMs: 20_000 });
    const [endpoint] = down.endpoints.filter(({ role }) => role === "mirror");
    assert.equal(endpoint?.reason, "response-timeout");
    assert.match(endpoint?.detail ?? "", /^blob of gcr\.io\/lab\/kept@sha256:[0-9a-f]{12}: no answer/);

    const before = blobsAsked(mirror, /^containerd/);
    await containerd.cri.pullImage("gcr.io/lab/wanted:1.0", { timeoutMs: 10_000 });
    assert.equal(blobsAsked(mirror, /^containerd/), before, "pulls go past it");
    assert.ok(blobsAsked(upstream, /^containerd/) > 0);
    await forgetImage(containerd, "gcr.io/lab/wanted:1.0");

    await mirror.become("healthy");
    await second.untilStatus(isMirror("up"));
    await containerd.cri.pullImage("gcr.io/lab/wanted:1.0", { timeoutMs: 10_000 });
    assert.ok(blobsAsked(mirror, /^containerd/) > before, "pulls go through it again");
  });
}
