// From the last byte of an edit to the new hosts.toml on disk, with the daemon as a process of its own: for one
// registry and for a thousand with three mirrors each, and what a pass over a settled node costs as nodes grow.
// Beside it the plain cost of writing the same files: write, fsync, rename, one after the other, nothing else.

import { existsSync, readFileSync, statSync, watch, writeFileSync } from "node:fs";
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Daemon } from "../../test/lab/daemon.ts";
import { type FaultyServer, startFaultyServer } from "../../test/lab/faulty-server.ts";
import { createWorkspace, type Workspace } from "../../test/lab/workspace.ts";
import { bundleSources, makeNode, startAgent } from "./parts/agent-node.ts";
import { type NotifySocket, openNotifySocket } from "./parts/notify-socket.ts";
import { readCpuMs } from "./parts/process-cost.ts";
import { quantile, type Row, round, tell } from "./parts/results.ts";

const MIRRORS = 3;
/** Of the kernel's clock that stamps files. */
const STEP_MS = 4;

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "1,100,300,1000,3000" },
    /** Edits of the smallest node; larger ones get fewer. */
    edits: { type: "string", default: "200" },
    passes: { type: "string", default: "15" },
    /** Without the launcher's --jitless, to see what it costs. */
    jit: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
  },
});

interface Node {
  readonly registries: readonly string[];
  readonly configPath: string;
  readonly hostsPaths: readonly string[];
  readonly agent: Daemon;
  readonly notified: NotifySocket;
}

await using shared = await createWorkspace();
const { main, flags } = await bundleSources(shared);
const packaged = { main, flags: flags.filter((flag) => !values.jit || flag !== "--jitless") };
const servers = await Promise.all(Array.from({ length: MIRRORS }, () => startFaultyServer()));
shared.onEnd(async () => void (await Promise.all(servers.map((server) => server.close()))));

const edits: Row[] = [];
const passes: Row[] = [];
for (const size of values.sizes.split(",").map(Number)) await measure(size);
tell("apply-latency", { "From the last byte of an edit to the new hosts.toml": edits, "A settled node": passes });

async function measure(size: number): Promise<void> {
  await using workspace = await createWorkspace();
  const node = await startNode(workspace, size);
  edits.push(await measureEdits(node, Math.max(10, Math.round(Number(values.edits) / Math.max(1, size / 50)))));
  passes.push(await measurePasses(node, Number(values.passes)));
}

async function startNode(workspace: Workspace, size: number): Promise<Node> {
  const { root } = await makeNode(workspace, "node");
  // Registries on loopback: what the agent asks of an upstream stays on this machine.
  const registries = Array.from({ length: size }, (_, n) => `127.1.${n >> 8}.${n & 255}:5000`);
  const configPath = join(root, "etc/mirror-agent/config.yaml");
  await mkdir(dirname(configPath), { recursive: true });
  await writeFile(configPath, renderConfig(registries, servers));
  const notified = await openNotifySocket(workspace);
  const ready = notified.next("READY=1");
  const agent = await startAgent(workspace, { ...packaged, root, env: { NOTIFY_SOCKET: notified.path } });
  await ready;
  await ready;
  const hostsPaths = registries.map((registry) => findHostsToml(join(root, "etc/containerd/certs.d"), registry));
  await delay(3000); // the first probes, and the passes that follow from them
  return { registries, configPath, hostsPaths, agent, notified };
}

function findHostsToml(certsDir: string, registry: string): string {
  const plain = join(certsDir, registry, "hosts.toml");
  return existsSync(plain) ? plain : join(certsDir, `${registry.replace(/:(\d+)$/, "_$1_")}`, "hosts.toml");
}

/** Mirrors in another order are another text of every hosts.toml, and no endpoint is new. */
function renderConfig(registries: readonly string[], mirrors: readonly FaultyServer[]): string {
  const hosts = registries.map((registry) => `      - "${registry}"\n`).join("");
  const entries = mirrors.map(({ url }) => `  - endpoint: ${url}\n    hosts:\n${hosts}`);
  return `registryMirrors:\n${entries.join("")}`;
}

async function measureEdits({ registries, configPath, hostsPaths, agent }: Node, count: number): Promise<Row> {
  const took: number[] = [];
  const plain: number[] = [];
  const cpuBefore = readCpuMs(agent.pid);
  for (let n = 0; n < count; n++) {
    const order = n % 2 === 0 ? servers.toReversed() : servers;
    // Half of the edits replace the file, as editors do, half write into it.
    took.push(await timeEdit({ configPath, hostsPaths, text: renderConfig(registries, order), replace: n % 4 > 1 }));
    await delay(100 + Math.random() * 200);
    if (n % 5 === 0) plain.push(await timePlainWrites(hostsPaths));
  }
  const cpuMs = (readCpuMs(agent.pid) - cpuBefore) / count;
  const [p50, p99, plainP50] = [quantile(took, 0.5), quantile(took, 0.99), quantile(plain, 0.5)];
  return {
    registries: registries.length,
    edits: count,
    "p50, ms": round(p50),
    "p99, ms": round(p99),
    "max, ms": round(Math.max(...took)),
    "CPU, ms": round(cpuMs),
    "plain writes p50, ms": round(plainP50),
    "p50 to plain": round(p50 / plainP50, 2),
  };
}

interface Edit {
  readonly configPath: string;
  readonly hostsPaths: readonly string[];
  readonly text: string;
  readonly replace: boolean;
}

// The end is when the last file was renamed into place. A file's status change says when that was, in steps
// of the kernel's clock (4 ms); the first file is also awaited by inotify, so that a single one needs no steps.
async function timeEdit({ configPath, hostsPaths, text, replace }: Edit): Promise<number> {
  const [first = ""] = hostsPaths;
  const before = readFileSync(first, "utf8");
  const seen = awaitChange(first, before);
  const file = replace ? `${configPath}.new` : configPath;
  writeFileSync(file, text); // at once: the agent takes an emptied file at its word
  if (replace) await rename(file, configPath);
  const start = { monotonic: performance.now(), wall: Date.now() };
  const firstSeen = await seen;
  if (hostsPaths.length === 1) return firstSeen - start.monotonic;
  for (;;) {
    const changed = hostsPaths.map((path) => statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0);
    if (changed.every((at) => at >= start.wall - STEP_MS)) return Math.max(...changed) + STEP_MS - start.wall;
    await delay(20);
  }
}

function awaitChange(path: string, before: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const look = (): void => {
    if (existsSync(path) && readFileSync(path, "utf8") !== before) resolve(performance.now());
  };
  const watcher = watch(dirname(path), look);
  // A config that is read while it is empty removes the folder that is watched here.
  const poll = setInterval(look, 20);
  const timer = setTimeout(() => reject(new Error(`"${path}" did not change within 60 s`)), 60_000);
  return promise.finally(() => {
    clearInterval(poll);
    clearTimeout(timer);
    watcher.close();
  });
}

async function timePlainWrites(paths: readonly string[]): Promise<number> {
  await using workspace = await createWorkspace();
  const text = await readFile(paths[0] ?? "", "utf8");
  const start = performance.now();
  for (const [n] of paths.entries()) {
    const target = join(workspace.dir, String(n));
    const handle = await open(`${target}.new`, "w");
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    await rename(`${target}.new`, target);
  }
  return performance.now() - start;
}

/** SIGHUP asks for a pass; READY=1 says that it is done. */
async function measurePasses({ registries, hostsPaths, agent, notified }: Node, count: number): Promise<Row> {
  const took: number[] = [];
  const changedBefore = hostsPaths.map((path) => statSync(path).ctimeMs).join();
  const cpuBefore = readCpuMs(agent.pid);
  for (let n = 0; n < count; n++) {
    const done = notified.next("READY=1");
    const start = performance.now();
    agent.signal("SIGHUP");
    await done;
    took.push(performance.now() - start);
    await delay(50);
  }
  const cpuMs = (readCpuMs(agent.pid) - cpuBefore) / count;
  const wrote = hostsPaths.map((path) => statSync(path).ctimeMs).join() !== changedBefore;
  const [p50, p99] = [quantile(took, 0.5), quantile(took, 0.99)];
  return {
    registries: registries.length,
    passes: count,
    "p50, ms": round(p50),
    "p99, ms": round(p99),
    "CPU, ms": round(cpuMs),
    "p50 a registry, ms": round(p50 / registries.length, 3),
    wrote: wrote ? "yes" : "nothing",
  };
}
