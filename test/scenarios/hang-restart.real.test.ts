// `containerd.restart: on-hang` where nothing else can free a pull: an agent that may not close connections, on a real
// containerd, beside one that has the same trouble and was not told to restart anything. Takes the minute of grace.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { labMissing } from "../lab/parts.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { type SupervisedContainerd, startSupervised } from "../node/supervised-containerd.ts";

const IMAGE = "gcr.io/lab/hello:1.0";
const FILES = filesOf(buildImage({ layerSizes: [1000] }), "lab/hello", "1.0");
const GRACE = { timeoutMs: 90_000 };

async function startNode(workspace: Workspace, restart: "on-hang" | "when-needed") {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const caCertPath = await workspace.file(`ca-${restart}.pem`, authority.cert);
  const mirror = await startFaultyServer({ tls, source: { files: FILES } });
  const upstream = await startFaultyServer({ tls, source: { files: FILES } });
  workspace.onEnd(async () => void (await Promise.all([mirror.close(), upstream.close()])));
  const configToml = (etc: string) =>
    `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "${etc}/certs.d"\n`;
  const containerd = await startSupervised(workspace, { version: "1.7", configToml });
  const config = JSON.stringify({
    registryMirrors: [{ endpoint: mirror.url, hosts: ["gcr.io"], caCertPath }],
    agent: {
      probe: { interval: "1s", timeout: "500ms" },
      upstreams: { "gcr.io": { endpoint: upstream.url, caCertPath } },
      containerd: { restart, restartCommand: ["sh", "-c", restartWhenTold(containerd)] },
    },
  });
  const agent = await startAgent(workspace, { root: containerd.dir, config, cannotClose: true });
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  return { mirror, upstream, containerd, agent };
}

/** Waits until the test has looked at a containerd that was not restarted yet. */
const restartWhenTold = ({ dir, restartCommand }: SupervisedContainerd): string =>
  `while [ ! -e ${dir}/go ]; do sleep 0.05; done; ${restartCommand.at(-1)}`;

/** Has the node's mirror fall silent with a pull at it; gives how the pull ends. */
async function hang({ mirror, containerd, agent }: Awaited<ReturnType<typeof startNode>>): Promise<Promise<string>[]> {
  await mirror.become("silent");
  const pull = containerd.cri.pullImage(IMAGE, { timeoutMs: TEST_MS }).then(
    () => "pulled",
    () => "failed",
  );
  await agent.waitForLine((line) => line.includes("Cannot free pulls that hang: "), { timeoutMs: 60_000 });
  return [pull];
}

const skip = labMissing();

/** Of which the grace takes a minute. */
const TEST_MS = 200_000;

test("run restarts containerd for a pull that hangs and cannot be freed, once, where it may", {
  skip,
  timeout: TEST_MS,
}, async () => {
  await using workspace = await createWorkspace();
  const [allowed, other] = await Promise.all([startNode(workspace, "on-hang"), startNode(workspace, "when-needed")]);
  const [[pull], [hanging]] = await Promise.all([hang(allowed), hang(other)]);
  const { agent, containerd, upstream } = allowed;
  await agent.waitForLine((line) => line.includes("Restarting containerd: pulls have hung at "), GRACE);
  assert.equal(await containerd.starts(), 1, "it was told before");
  await writeFile(`${containerd.dir}/go`, "");
  await agent.waitForLine((line) => line.includes("containerd was restarted; pulls that hung begin anew"), GRACE);
  assert.equal(await pull, "failed");
  await containerd.cri.pullImage(IMAGE, { timeoutMs: 30_000 });
  assert.ok(upstream.requests.length > 0);
  assert.equal(await containerd.starts(), 2);
  assert.equal(await other.containerd.starts(), 1, "the other was not asked to");
  assert.ok(!other.agent.lines.some((line) => line.includes("Restarting containerd")));
  assert.equal(await Promise.race([hanging, "still hangs"]), "still hangs");
});
