// What the daemon costs while nothing happens: ten mirrors with TLS, probed at the default interval, for a
// minute (--seconds N). CPU time and memory beside those of a Node process that does nothing, and of one that only
// sends the same requests, at the same time; with metrics as a textfile, and served to a scrape every 15 s.
// --other FILE puts the main.mjs of another bundle beside them.

import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeAuthority } from "../../test/lab/certificates.ts";
import { startDaemon } from "../../test/lab/daemon.ts";
import { startFaultyServer } from "../../test/lab/faulty-server.ts";
import { ask } from "../../test/lab/metrics.ts";
import { createWorkspace } from "../../test/lab/workspace.ts";
import { bundleSources, makeNode, SOURCES, startAgent } from "./parts/agent-node.ts";
import { type Memory, readCpuMs, readMemory } from "./parts/process-cost.ts";
import { type Row, round, tell } from "./parts/results.ts";

const ENDPOINTS = 10;
/** Until the start's own work is over. */
const SETTLE_MS = 15_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    /** Options of the runtime for the daemons, to try what they change. */
    flags: { type: "string", default: "" },
    other: { type: "string" },
    save: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const moreFlags = values.flags.split(" ").filter((flag) => flag !== "");

interface Packaged {
  readonly main: string;
  readonly flags: readonly string[];
  /** What the config says of metrics. */
  readonly metrics?: string;
}

/** Prometheus' default is a minute; most set it lower. */
const SCRAPE_MS = 15_000;

const BARE_PROBES = fileURLToPath(new URL("parts/bare-probes.ts", import.meta.url));

await using workspace = await createWorkspace();
const authority = makeAuthority("bench authority");
const tls = authority.issue(["IP:127.0.0.1"]);
const ca = await workspace.file("ca.crt", authority.cert);
const servers = await Promise.all(Array.from({ length: ENDPOINTS }, () => startFaultyServer({ tls })));
workspace.onEnd(async () => void (await Promise.all(servers.map((server) => server.close()))));

const bundle = await bundleSources(workspace);
const textfile = join(workspace.dir, "mirror-agent.prom");
const socketPath = join(workspace.dir, "metrics.sock");
const bare = await startDaemon([process.execPath, "-e", "setInterval(() => {}, 1e6)"]);
workspace.onEnd(() => bare.kill());
const processes = new Map([
  ["bare Node", bare],
  ["Node that only probes", await startBareProbes()],
  ["agent, from sources", await startNode("sources", { main: SOURCES, flags: [] })],
  ["agent, as packaged", await startNode("packaged", bundle)],
  ["the same, metrics as a textfile", await startNode("textfile", { ...bundle, metrics: `{textfile: ${textfile}}` })],
  ["the same, metrics served", await startNode("served", { ...bundle, metrics: `{listen: "unix:${socketPath}"}` })],
]);
if (values.other !== undefined) {
  processes.set("agent, the other bundle", await startNode("other", { ...bundle, main: values.other }));
}
const scraping = setInterval(() => void ask({ socketPath }), SCRAPE_MS);
workspace.onEnd(async () => clearInterval(scraping));

await delay(SETTLE_MS);
const before = new Map([...processes].map(([name, { pid }]) => [name, { cpu: readCpuMs(pid), at: performance.now() }]));
const requestsBefore = countRequests();
await delay(seconds * 1000);
const bareMemory = readMemory(bare.pid);
const rows = [...processes].map(([name, { pid }]): Row => describe(name, pid));
const perSecond = (countRequests() - requestsBefore) / seconds / (processes.size - 1);
tell("idle", { [`${ENDPOINTS} endpoints, ${round(perSecond)} probes a second each agent, ${seconds} s`]: rows });

/** What Node itself takes for the same requests on the same kept connections. */
async function startBareProbes(): Promise<{ pid: number }> {
  const settings = JSON.stringify({ urls: servers.map(({ url }) => `${url}/v2/`), ca });
  // Node's own reader of TypeScript takes 30 MB.
  const program = stripTypeScriptTypes(readFileSync(BARE_PROBES, "utf8"));
  const probes = await startDaemon([process.execPath, "--input-type=module", "-e", program, settings]);
  workspace.onEnd(() => probes.kill());
  return probes;
}

async function startNode(name: string, { main, flags, metrics }: Packaged): Promise<{ pid: number }> {
  const { root } = await makeNode(workspace, name);
  const mirrors = servers.map(({ url }) => `  - {endpoint: "${url}", hosts: [gcr.io, docker.io], caCertPath: ${ca}}`);
  await workspace.file(
    `${root.slice(workspace.dir.length + 1)}/etc/mirror-agent/config.yaml`,
    `registryMirrors:\n${mirrors.join("\n")}\nagent: {failover: never${metrics === undefined ? "" : `, metrics: ${metrics}`}}\n`,
  );
  const agent = await startAgent(workspace, { main, root, flags: [...flags, ...moreFlags] });
  await agent.waitForLine((line) => line.includes("config"));
  return agent;
}

function describe(name: string, pid: number): Row {
  const { cpu, at } = before.get(name) ?? { cpu: 0, at: 0 };
  const share = (100 * (readCpuMs(pid) - cpu)) / (performance.now() - at);
  const memory = readMemory(pid);
  const more = (key: keyof Memory): number => round(memory[key] - bareMemory[key]);
  return {
    process: name,
    "CPU, % of a core": round(share, 3),
    "RSS, MiB": memory.rssMiB,
    "beside bare": more("rssMiB"),
    "anonymous, MiB": memory.anonymousMiB,
    "beside bare ": more("anonymousMiB"),
  };
}

function countRequests(): number {
  return servers.reduce((sum, { requests }) => sum + requests.length, 0);
}
