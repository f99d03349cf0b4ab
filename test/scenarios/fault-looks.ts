// Every fault of a mirror, provoked on real servers with a real containerd, and what this program then says: `explain`
// and `doctor` while the routes still name the mirror, the journal when the agent finds out. The reading test looks for
// the words by which one can name the fault; scripts/show-faults.ts writes all of it into docs/faults.md.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Check } from "../../src/core/doctor/check.ts";
import type { Explanation } from "../../src/core/explain/explanation.ts";
import type { AgentNote } from "../../src/report/agent-notes.ts";
import type { Status } from "../../src/report/status.ts";
import { runCommand } from "../commands/run-command.ts";
import { type LabAgent, startAgent } from "../lab/agent.ts";
import { type BlackHole, openBlackHole } from "../lab/black-hole.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Containerd, startContainerd } from "../lab/containerd.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { pushImage } from "../lab/push-image.ts";
import { startRegistry } from "../lab/registry.ts";
import type { Workspace } from "../lab/workspace.ts";
import { FAULTS, type Fault } from "./fault-words.ts";

/** What is said of one fault. */
export interface FaultLook {
  readonly fault: Fault;
  readonly explanation: Explanation & { readonly agent: readonly AgentNote[] };
  readonly checks: readonly Check[];
  /** The line of the journal; null where the agent finds nothing. */
  readonly journal: string | null;
  /** Strings that differ from run to run, and what stands for them in the docs. */
  readonly names: readonly (readonly [string, string])[];
}

interface Subject {
  readonly fault: Fault;
  readonly registry: string;
  readonly image: string;
  readonly mirror: FaultyServer;
}

interface Scene {
  readonly workspace: Workspace;
  readonly subjects: readonly Subject[];
  readonly upstream: FaultyServer;
  readonly containerd: Containerd;
  readonly config: string;
}

type Looks = Map<string, Pick<FaultLook, "explanation" | "checks">>;

/** Provokes every fault once, and looks; takes a minute and a half. */
export async function lookAtFaults(workspace: Workspace): Promise<FaultLook[]> {
  const scene = await setUp(workspace);
  const heal = await breakMirrors(scene, ({ behaviour }) => behaviour !== "flapping");
  const looks = await look(scene, scene.subjects);
  await heal();
  const journal = await watchAgent(scene, looks);
  return scene.subjects.map((subject) => {
    const { fault, registry, mirror } = subject;
    const found = looks.get(fault.name);
    if (found === undefined) throw new Error(`Nothing was said of ${fault.name}`);
    const names = [
      [mirror.url, "https://172.18.0.20:5000"],
      [new URL(mirror.url).host, "172.18.0.20:5000"],
      [scene.upstream.url, "https://gcr.io"],
      [`${registry}/lab/${fault.name}`, "gcr.io/team/app"],
      [`/lab/${fault.name}/`, "/team/app/"],
      [registry, "gcr.io"],
      [scene.containerd.dir, ""],
    ] as const;
    return { fault, ...found, journal: journal.get(fault.name) ?? null, names };
  });
}

async function setUp(workspace: Workspace): Promise<Scene> {
  const authority = makeAuthority();
  const origin = await startRegistry(workspace, "origin");
  const options = {
    tls: authority.issue(["IP:127.0.0.1", "IP:127.0.0.2"]),
    expiredTls: authority.issue(["IP:127.0.0.1"], { expired: true }),
    source: { upstream: origin.url },
  };
  // The port of a server that refuses is free for others: on an address of its own it stays so.
  const start = async (behaviour?: Fault["behaviour"]): Promise<FaultyServer> => {
    const refuses = behaviour === "refused" || behaviour === "flapping";
    const server = await startFaultyServer({ ...options, host: refuses ? "127.0.0.2" : "127.0.0.1" });
    workspace.onEnd(() => server.close());
    return server;
  };
  const subjects: Subject[] = [];
  for (const fault of FAULTS) {
    const repository = `lab/${fault.name}`;
    const image = buildImage({ seed: fault.name, layerSizes: [3000, 20_000] });
    await pushImage(image, { url: origin.url, repository, tag: "1.0" });
    const registry = `${fault.name}.test`;
    subjects.push({ fault, registry, image: `${registry}/${repository}:1.0`, mirror: await start(fault.behaviour) });
  }
  const upstream = await start();
  const ca = await workspace.file("ca.pem", authority.cert);
  const config = await writeConfig(workspace, subjects, { upstream, ca });
  const containerd = await startContainerd(workspace, { version: "1.7" });
  await mkdir(join(containerd.dir, "etc/mirror-agent"), { recursive: true });
  await writeFile(join(containerd.dir, "etc/mirror-agent/config.yaml"), config);
  const applied = await runCommand(["--root", containerd.dir, "apply"]);
  if (applied.code !== 0) throw new Error(`Cannot apply: ${applied.stdout}${applied.stderr}`);
  // What is behind /v2/ is looked at with images that the node has.
  for (const { fault, image } of subjects)
    if (fault.isDeep) await containerd.cri.pullImage(image, { timeoutMs: 20_000 });
  return { workspace, subjects, upstream, containerd, config };
}

async function writeConfig(
  workspace: Workspace,
  subjects: readonly Subject[],
  { upstream, ca }: { upstream: FaultyServer; ca: string },
): Promise<string> {
  const wanting = subjects.find(({ fault }) => fault.behaviour === "status-401")?.mirror.url ?? "";
  const auths = { [wanting]: { username: "puller", password: "wrong" } };
  const credentials = await workspace.file("config.json", JSON.stringify({ auths }));
  const mirrors = subjects.map(({ registry, mirror }) => {
    const credential = mirror.url === wanting ? `, pullCredentialConfigPath: ${credentials}` : "";
    return `  - { endpoint: "${mirror.url}", hosts: [${registry}], caCertPath: ${ca}${credential} }\n`;
  });
  const upstreams = subjects.map(
    ({ registry }) => `    ${registry}: { endpoint: "${upstream.url}", caCertPath: ${ca} }\n`,
  );
  return `registryMirrors:\n${mirrors.join("")}agent:
  probe: { interval: 1s, timeout: 1s }
  jitter: { failover: 0s, failback: 0s }
  containerd: { restart: when-needed }
  upstreams:\n${upstreams.join("")}`;
}

/** Switches the faults on; what is returned switches them off. */
async function breakMirrors(
  { workspace, subjects }: Scene,
  wanted: (fault: Fault) => boolean,
): Promise<() => Promise<void>> {
  const holes: BlackHole[] = [];
  const broken = subjects.filter(({ fault }) => wanted(fault));
  for (const { fault, mirror } of broken) {
    if (fault.behaviour === "black-hole") holes.push(await openBlackHole(workspace, mirror.port));
    else if (fault.behaviour !== "flapping") await mirror.become(fault.behaviour);
  }
  return async () => {
    for (const hole of holes) await hole.close();
    for (const { mirror } of broken) await mirror.become("healthy");
  };
}

async function look({ containerd }: Scene, subjects: readonly Subject[]): Promise<Looks> {
  const run = (...args: readonly string[]) => runCommand(["--root", containerd.dir, "--output", "json", ...args]);
  const [doctor, ...explained] = await Promise.all([
    run("doctor"),
    ...subjects.map(({ image }) => run("explain", image)),
  ]);
  const { checks } = JSON.parse(doctor.stdout) as { checks: readonly Check[] };
  const looks = subjects.map(({ fault, mirror }, index) => {
    const explanation = JSON.parse(explained[index]?.stdout ?? "") as FaultLook["explanation"];
    const own = checks.filter(({ found }) => found.includes(mirror.url));
    return [fault.name, { explanation, checks: own }] as const;
  });
  return new Map(looks);
}

/** Runs the agent through the same faults; what it logs of each, by name. Looks at the one that needs it meanwhile. */
async function watchAgent(scene: Scene, looks: Looks): Promise<ReadonlyMap<string, string>> {
  const { containerd, subjects, workspace } = scene;
  await rm(join(containerd.dir, "run/mirror-agent/status.json"), { force: true });
  const agent = await startAgent(workspace, { root: containerd.dir, config: null });
  await agent.untilStatus(
    mirrorsAre(
      "up",
      subjects.map(({ mirror }) => mirror),
    ),
    { timeoutMs: 60_000 },
  );
  const heal = await breakMirrors(scene, () => true);
  const flapping = subjects.filter(({ fault }) => fault.behaviour === "flapping");
  const noticed = subjects.filter(({ fault }) => fault.journal !== null && fault.behaviour !== "flapping");
  await Promise.all([
    agent.untilStatus(
      mirrorsAre(
        "down",
        noticed.map(({ mirror }) => mirror),
      ),
      { timeoutMs: 90_000 },
    ),
    ...flapping.map(({ mirror }) => flap(agent, mirror)),
  ]);
  for (const [name, found] of await look(scene, flapping)) looks.set(name, found);
  await heal();
  agent.signal("SIGTERM");
  await agent.ended;
  const lines = subjects.flatMap(({ fault, mirror }) => {
    const line = agent.lines.findLast((text) => text.includes(`Mirror ${mirror.url} is down`));
    return line === undefined ? [] : [[fault.name, line] as const];
  });
  return new Map(lines);
}

/** Three falls: the second time it has to prove itself for a while. */
async function flap(agent: LabAgent, mirror: FaultyServer): Promise<void> {
  for (let falls = 1; ; falls += 1) {
    await mirror.become("refused");
    await agent.untilStatus(mirrorsAre("down", [mirror]), { timeoutMs: 60_000 });
    if (falls === 3) {
      await agent.untilStatus(({ routes }) => routes.some(({ leftOut }) => leftOut?.includes(mirror.url)));
      return;
    }
    await mirror.become("healthy");
    await agent.untilStatus(mirrorsAre("up", [mirror]), { timeoutMs: 60_000 });
  }
}

const mirrorsAre = (state: "up" | "down", mirrors: readonly FaultyServer[]) => (status: Status) =>
  mirrors.every(({ url }) =>
    status.endpoints.some(
      (endpoint) => endpoint.endpoint === url && endpoint.role === "mirror" && endpoint.state === state,
    ),
  );
