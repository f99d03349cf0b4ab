// Pulls that were under way when their mirror began to hang, on every real containerd: they finish from the upstream,
// and nobody else's connection to that mirror is touched.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { openBlackHole } from "../lab/black-hole.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startContainerd } from "../lab/containerd.ts";
import { startDaemon } from "../lab/daemon.ts";
import { type Behaviour, type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { closingMissing } from "../lab/sockets.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing() || (await closingMissing());
const PULL_MS = 30_000;

const MIRRORS = ["halfway", "again", "asked", "hole", "dripping"] as const;

type Name = (typeof MIRRORS)[number];

/** One for each pull, since one containerd downloads a blob once. A slow drip, 400 bytes a second, ends within the test. */
const imageFor = (name: Name) =>
  buildImage({ seed: name, layerSizes: name === "again" ? [1_000_000, 200_000] : [2500, 1000] });
const layerOf = (name: Name): string => imageFor(name).layers[0]?.digest ?? "";

async function startServers(workspace: Workspace) {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const files = new Map(MIRRORS.flatMap((name) => [...filesOf(imageFor(name), `lab/${name}`, "1.0")]));
  const start = async (): Promise<FaultyServer> => {
    const server = await startFaultyServer({ tls, source: { files } });
    workspace.onEnd(() => server.close());
    return server;
  };
  const servers = await Promise.all([...MIRRORS, "upstream"].map(async (name) => [name, await start()] as const));
  const ca = await workspace.file("ca.pem", authority.cert);
  return { ...(Object.fromEntries(servers) as Record<Name | "upstream", FaultyServer>), ca };
}

type Servers = Awaited<ReturnType<typeof startServers>>;

function configFor({ ca, upstream, ...servers }: Servers): string {
  const mirrors = MIRRORS.map((name) => ({
    ...{ endpoint: servers[name].url, hosts: [`${name}.test`], caCertPath: ca },
    // The others stop answering at all.
    ...(name === "again" && { probe: { image: "lab/again:1.0" } }),
  }));
  const upstreams = Object.fromEntries(
    MIRRORS.map((name) => [`${name}.test`, { endpoint: upstream.url, caCertPath: ca }]),
  );
  return JSON.stringify({
    registryMirrors: mirrors,
    agent: { probe: { interval: "1s", timeout: "500ms" }, upstreams },
  });
}

const asksFor = (server: FaultyServer, text: string, as: Behaviour) =>
  server.requests.filter(
    ({ url, headers, behaviour }) =>
      url.includes(text) && behaviour === as && headers["user-agent"]?.startsWith("containerd/"),
  );

/** Resolves when containerd has asked the server for this. */
async function untilAsked(server: FaultyServer, text: string, as: Behaviour): Promise<void> {
  for (const end = Date.now() + 30_000; asksFor(server, text, as).length === 0; ) {
    assert.ok(Date.now() < end, `containerd asks for ${text}`);
    await delay(20);
  }
}

for (const version of CONTAINERD_VERSIONS) {
  test(`run frees the pulls of containerd ${version} that hang, and nothing else`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const servers = await startServers(workspace);
    const { halfway, again, asked, hole, dripping, upstream, ca } = servers;
    const containerd = await startContainerd(workspace, { version });
    const agent = await startAgent(workspace, { root: containerd.dir, config: configFor(servers) });
    await agent.untilStatus(
      ({ endpoints }) => endpoints.filter(({ state }) => state === "up").length >= MIRRORS.length,
    );

    const pull = (name: Name) => containerd.cri.pullImage(`${name}.test/lab/${name}:1.0`, { timeoutMs: PULL_MS });
    await halfway.become("blob-stall");
    await dripping.become("slow-drip");
    const dripped = pull("dripping");
    await untilAsked(dripping, layerOf("dripping"), "slow-drip");
    await dripping.become("silent");
    const layer = new URL(`/v2/lab/halfway/blobs/${layerOf("halfway")}`, halfway.url).href;
    const other = await startDaemon(["curl", "--silent", "--cacert", ca, "--output", "/dev/null", layer]);
    workspace.onEnd(() => other.kill());
    // This one stalls anew each time that it is asked for the rest of a blob.
    await Promise.all([hole.become("blob-stall"), again.become("blob-stall")]);
    const halfDone = [pull("halfway"), pull("hole"), pull("again")];
    for (const server of [halfway, hole, again]) await untilAsked(server, "/blobs/", "blob-stall");
    await halfway.become("silent");
    await asked.become("silent");
    const fresh = pull("asked");
    await openBlackHole(workspace, hole.port);
    await Promise.all([...halfDone, fresh]);
    await dripped;

    for (const { url } of [halfway, again, asked, hole])
      await agent.waitForLine((line) => /Closed \d+ connections? of containerd/.test(line) && line.includes(url));
    assert.ok(upstream.requests.length > 0);
    assert.equal(
      asksFor(upstream, layerOf("dripping"), "healthy").length,
      0,
      "the dripping layer came from where it began",
    );
    assert.equal(await Promise.race([other.ended, "still waits"]), "still waits");
    const answered = halfway.requests.filter(({ headers }) => headers["user-agent"]?.startsWith("curl/"));
    assert.equal(answered.length, 1);
    assert.equal(containerd.log.filter((line) => line.includes("containerd successfully booted")).length, 1);
  });
}
