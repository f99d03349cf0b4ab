// Pulls that hang at mirrors whose probes are all well, on every real containerd: where another way is proven to work
// they go on there, else a download that has begun asks its mirror for the rest.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startContainerd } from "../lab/containerd.ts";
import { startDaemon } from "../lab/daemon.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { closingMissing } from "../lab/sockets.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing() || (await closingMissing());
/** They may stand still for 40 s; the proof of another way may take 10 s, a look 5 s. */
const PULL_MS = 80_000;

const MIRRORS = ["broken", "forgetful", "slow", "well"] as const;

type Name = (typeof MIRRORS)[number];

/** What deep probes look at. */
const CANARY = buildImage({ seed: "canary" });
const imageFor = (name: Name) => buildImage({ seed: name, layerSizes: [1000, 1_000_000] });
const layerOf = (name: Name): string => imageFor(name).layers[1]?.digest ?? "";

async function startServers(workspace: Workspace) {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const pulled = MIRRORS.flatMap((name) => [...filesOf(imageFor(name), `lab/${name}`, "1.0")]);
  const files = new Map([...pulled, ...filesOf(CANARY, "lab/canary", "1.0")]);
  const start = async (name: Name | "upstream"): Promise<FaultyServer> => {
    // Of all connections that are kept for later, those to a token server might be kept for longest.
    const well = { behaviour: "tokens", source: { files } } as const;
    const server = await startFaultyServer(name === "well" ? well : { tls, source: { files } });
    workspace.onEnd(() => server.close());
    return server;
  };
  const names = [...MIRRORS, "upstream"] as const;
  const servers = await Promise.all(names.map(async (name) => [name, await start(name)] as const));
  const ca = await workspace.file("ca.pem", authority.cert);
  return { ...(Object.fromEntries(servers) as Record<(typeof names)[number], FaultyServer>), ca };
}

/** All upstreams but one are out of reach. Probes are patient, so that a busy machine takes no mirror out. */
function configFor({ ca, upstream, ...servers }: Awaited<ReturnType<typeof startServers>>): string {
  const mirrors = MIRRORS.map((name) => ({
    endpoint: servers[name].url,
    hosts: [`${name}.test`],
    ...(name !== "well" && { caCertPath: ca }),
    probe: { image: "lab/canary:1.0" },
  }));
  const upstreams = MIRRORS.map((name) => {
    const endpoint = name === "broken" ? upstream.url : "https://127.0.0.1:9";
    return [`${name}.test`, { endpoint, caCertPath: ca }] as const;
  });
  const agent = { probe: { interval: "10s", timeout: "10s" }, upstreams: Object.fromEntries(upstreams) };
  return JSON.stringify({ registryMirrors: mirrors, agent });
}

const countAsks = (server: FaultyServer, text: string, program = "containerd"): number =>
  server.requests.filter(({ url, headers }) => url.includes(text) && headers["user-agent"]?.startsWith(`${program}/`))
    .length;

suite("run frees pulls that hang although their mirror answers", { skip, concurrency: true }, () => {
  for (const version of CONTAINERD_VERSIONS) {
    test(`of containerd ${version}`, async () => {
      await using workspace = await createWorkspace();
      const servers = await startServers(workspace);
      const { broken, forgetful, slow, well, upstream, ca } = servers;
      const containerd = await startContainerd(workspace, { version });
      const agent = await startAgent(workspace, { root: containerd.dir, config: configFor(servers) });
      const areUp = await agent.untilStatus(
        ({ endpoints }) => endpoints.filter(({ role, state }) => role === "mirror" && state === "up").length === 4,
      );
      assert.ok(areUp.routes.every(({ failedOver }) => !failedOver));
      await broken.become("large-blob-stall");
      await forgetful.become("large-blob-stall");
      await slow.become("large-blob-silent");
      const layer = new URL(`/v2/lab/broken/blobs/${layerOf("broken")}`, broken.url).href;
      const other = await startDaemon(["curl", "--silent", "--cacert", ca, "--output", "/dev/null", layer]);
      workspace.onEnd(() => other.kill());

      const pull = (name: Name) => containerd.cri.pullImage(`${name}.test/lab/${name}:1.0`, { timeoutMs: PULL_MS });
      const waiting = pull("slow").then(
        () => "pulled",
        () => "given up",
      );
      const others = Promise.all([pull("broken"), pull("forgetful")]);
      await pull("well");
      while (countAsks(forgetful, layerOf("forgetful")) === 0) await delay(20);
      await forgetful.become("healthy");
      await others;

      const closed = agent.lines.filter((line) => line.startsWith("Closed "));
      const line = (url: string, then: string) =>
        `Closed 1 connection of containerd to ${url} that hung although it answers; the pulls ${then}`;
      assert.deepEqual(
        closed.sort(),
        [line(broken.url, "go on elsewhere"), line(forgetful.url, "ask there again")].sort(),
      );
      assert.equal(countAsks(upstream, layerOf("broken")), 1, "it goes on at the upstream");
      assert.equal(countAsks(forgetful, layerOf("forgetful")), 2, "it goes on at the mirror");
      assert.ok(!agent.lines.some((text) => /^Mirror \S+ is down/.test(text)), agent.lines.join("\n"));
      assert.equal(await Promise.race([waiting, "still waits"]), "still waits", "it may be fetching the blob itself");
      assert.equal(countAsks(slow, layerOf("slow")), 1);
      assert.equal(countAsks(well, layerOf("well")), 1);
      assert.ok(countAsks(well, "/token") > 0);
      assert.equal(await Promise.race([other.ended, "still waits"]), "still waits");
      assert.equal(countAsks(broken, layerOf("broken"), "curl"), 1);
    });
  }
});
