// The main job, on every real containerd and for every way a mirror fails: pulls go through the mirror while it
// is well, past it while it is not, and through it again. One registry for each fault, so that all are watched at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProbeReason } from "../../src/core/probe-result.ts";
import type { Status } from "../../src/report/status.ts";
import { startAgent } from "../lab/agent.ts";
import { type BlackHole, openBlackHole } from "../lab/black-hole.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Containerd, forgetImage, startContainerd } from "../lab/containerd.ts";
import { type Behaviour, type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const IMAGE = buildImage({ layerSizes: [1000, 20_000] });

const FAULTS: readonly (readonly [Behaviour | "black-hole", ProbeReason])[] = [
  ["refused", "refused"],
  ["black-hole", "connect-timeout"],
  ["silent", "response-timeout"],
  ["tls-stalls", "tls-timeout"],
  ["certificate-expired", "certificate-expired"],
  ["status-401", "unauthorized"],
  ["status-403", "forbidden"],
  ["status-404", "not-found"],
  ["status-429", "rate-limited"],
  ["status-500", "server-error"],
  ["html", "not-a-registry"],
  ["redirect-loop", "redirect-loop"],
];

interface Subject {
  readonly registry: string;
  readonly fault: Behaviour | "black-hole";
  readonly reason: ProbeReason;
  readonly mirror: FaultyServer;
}

interface Servers {
  readonly upstream: FaultyServer;
  readonly ca: string;
  /** A Docker config for the mirror that asks for a credential, and then refuses it. */
  readonly credentials: string;
}

async function startSubjects(workspace: Workspace): Promise<Servers & { subjects: Subject[] }> {
  const authority = makeAuthority();
  const options = {
    tls: authority.issue(["IP:127.0.0.1", "IP:127.0.0.2"]),
    expiredTls: authority.issue(["IP:127.0.0.1"], { expired: true }),
    source: { files: filesOf(IMAGE, "lab/hello", "1.0") },
  };
  // The port of a server that refuses is free for others: on an address of its own it stays so.
  const start = async (fault?: Subject["fault"]): Promise<FaultyServer> => {
    const server = await startFaultyServer({ ...options, host: fault === "refused" ? "127.0.0.2" : "127.0.0.1" });
    workspace.onEnd(() => server.close());
    return server;
  };
  const subjects = await Promise.all(
    FAULTS.map(async ([fault, reason]) => ({ registry: `${fault}.test`, fault, reason, mirror: await start(fault) })),
  );
  const refused = subjects.find(({ fault }) => fault === "status-401");
  const auths = { [refused?.mirror.url ?? ""]: { username: "puller", password: "wrong" } };
  return {
    subjects,
    upstream: await start(),
    ca: await workspace.file("ca.pem", authority.cert),
    credentials: await workspace.file("config.json", JSON.stringify({ auths })),
  };
}

function configFor(subjects: readonly Subject[], { upstream, ca, credentials }: Servers): string {
  const mirrors = subjects.map(({ registry, fault, mirror }) => {
    const credential = fault === "status-401" ? `, pullCredentialConfigPath: ${credentials}` : "";
    return `  - { endpoint: "${mirror.url}", hosts: [${registry}], caCertPath: ${ca}${credential} }\n`;
  });
  const upstreams = subjects.map(
    ({ registry }) => `    ${registry}: { endpoint: "${upstream.url}", caCertPath: ${ca} }\n`,
  );
  const probe = "  probe: { interval: 1s, timeout: 1s }\n  jitter: { failover: 0s, failback: 0s }\n";
  return `registryMirrors:\n${mirrors.join("")}agent:\n${probe}  upstreams:\n${upstreams.join("")}`;
}

const mirrorsAre = (state: "up" | "down", count: number) => (status: Status) =>
  status.endpoints.filter((endpoint) => endpoint.role === "mirror" && endpoint.state === state).length === count &&
  status.routes.every(({ failedOver }) => failedOver === (state === "down"));

const askedByContainerd = ({ requests }: FaultyServer) =>
  requests.filter(({ headers }) => headers["user-agent"]?.startsWith("containerd/")).length;

/** Pulls once for each subject and checks which of its two servers containerd asked. */
async function pullAll(
  containerd: Containerd,
  subjects: readonly Subject[],
  { from, upstream }: { from: "mirror" | "upstream"; upstream: FaultyServer },
) {
  for (const { registry, mirror } of subjects) {
    const before = { mirror: askedByContainerd(mirror), upstream: askedByContainerd(upstream) };
    const image = `${registry}/lab/hello:1.0`;
    await containerd.cri.pullImage(image, { timeoutMs: 30_000 });
    await forgetImage(containerd, image);
    const asked = {
      mirror: askedByContainerd(mirror) > before.mirror,
      upstream: askedByContainerd(upstream) > before.upstream,
    };
    assert.deepEqual(asked, { mirror: from === "mirror", upstream: from === "upstream" }, registry);
  }
}

for (const version of CONTAINERD_VERSIONS) {
  test(`run keeps containerd ${version} pulling through every fault of a mirror, and back`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const { subjects, ...servers } = await startSubjects(workspace);
    const containerd = await startContainerd(workspace, { version });
    const agent = await startAgent(workspace, { root: containerd.dir, config: configFor(subjects, servers) });

    await agent.untilStatus(mirrorsAre("up", subjects.length));
    await pullAll(containerd, subjects, { from: "mirror", ...servers });

    const holes: BlackHole[] = [];
    for (const { fault, mirror } of subjects) {
      if (fault === "black-hole") holes.push(await openBlackHole(workspace, mirror.port));
      else await mirror.become(fault);
    }
    const failedOver = await agent.untilStatus(mirrorsAre("down", subjects.length));
    const reasons = failedOver.endpoints.filter(({ role }) => role === "mirror").map(({ reason }) => reason);
    assert.deepEqual(
      reasons,
      subjects.map(({ reason }) => reason),
    );
    await pullAll(containerd, subjects, { from: "upstream", ...servers });

    for (const hole of holes) await hole.close();
    for (const { mirror } of subjects) await mirror.become("healthy");
    await agent.untilStatus(mirrorsAre("up", subjects.length));
    await pullAll(containerd, subjects, { from: "mirror", ...servers });

    for (const { reason, mirror } of subjects) {
      assert.ok(
        agent.lines.some((line) => line.includes(`${mirror.url} is down: ${reason}`)),
        `${reason} is logged`,
      );
      assert.ok(agent.lines.some((line) => line.includes(`${mirror.url} is up again after`)));
    }
    agent.signal("SIGTERM");
    assert.equal(await agent.ended, 0);
  });
}
