// Makes docs/pictures: what `plan`, `status`, `status --watch`, `explain` and `doctor` show on a node with a real
// containerd and two mirrors, of which one hangs: node scripts/pictures.ts (root, what scripts/setup installs, and
// Debian's termtosvg). What the programs said is shown with an ordinary node's addresses and folders.

import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import type { Check } from "../src/core/doctor/check.ts";
import type { Explanation } from "../src/core/explain/explanation.ts";
import type { AgentNote } from "../src/report/agent-notes.ts";
import { renderChecks } from "../src/report/render-checks.ts";
import { renderExplanation } from "../src/report/render-explanation.ts";
import { renderStatus } from "../src/report/render-status.ts";
import type { Status } from "../src/report/status.ts";
import { runCommand } from "../test/commands/run-command.ts";
import { startAgent } from "../test/lab/agent.ts";
import { makeAuthority } from "../test/lab/certificates.ts";
import { startContainerd } from "../test/lab/containerd.ts";
import { type FaultyServer, startFaultyServer } from "../test/lab/faulty-server.ts";
import { buildImage } from "../test/lab/image.ts";
import { startPane } from "../test/lab/pane.ts";
import { pushImage } from "../test/lab/push-image.ts";
import { startRegistry } from "../test/lab/registry.ts";
import { createWorkspace } from "../test/lab/workspace.ts";

const TOP = fileURLToPath(new URL("..", import.meta.url));
const WIDTH = 80;
/** Durations of some seconds read better than of some milliseconds. */
const LATER_MS = 12_000;
const NAMES = [
  "https://172.18.0.20:5000",
  "https://172.18.0.21:5000",
  "https://gcr.io",
  "https://registry-1.docker.io",
];
const IMAGES = ["gcr.io/team/app:1.0", "docker.io/team/web:2.1"];

await using workspace = await createWorkspace();
const authority = makeAuthority();
const tls = authority.issue(["IP:127.0.0.1"], { days: 90 });
const ca = await workspace.file("mirror-ca.crt", authority.cert);
const origin = await startRegistry(workspace, "origin");
await fill();
const [app, web, gcr, docker] = [await serve(), await serve(), await serve(), await serve()];
const config = `registryMirrors:
  - { endpoint: "${app.url}/v2/team-a", hosts: [gcr.io], caCertPath: ${ca} }
  - { endpoint: "${web.url}", hosts: [docker.io], caCertPath: ${ca} }
agent:
  probe: { interval: 1s, timeout: 1s }
  jitter: { failover: 0s, failback: 0s }
  upstreams:
    gcr.io: { endpoint: "${gcr.url}", caCertPath: ${ca} }
    docker.io: { endpoint: "${docker.url}", caCertPath: ${ca} }
`;
const containerd = await startContainerd(workspace, { version: "1.7" });
const configPath = join(containerd.dir, "etc/mirror-agent/config.yaml");
await mkdir(join(containerd.dir, "etc/mirror-agent"), { recursive: true });
// Without authorities: their text would fill the picture.
await writeFile(configPath, config.replaceAll(`, caCertPath: ${ca}`, ""));
await draw("plan", "mirror-agent plan", plain((await run("plan")).stdout));
await writeFile(configPath, config);

const agent = await startAgent(workspace, { root: containerd.dir, config: null });
await agent.untilStatus(({ endpoints }) => endpoints.every(({ state }) => state === "up"));
for (const image of IMAGES) await containerd.cri.pullImage(image, { timeoutMs: 20_000 });
await fall(app, "refused");
await app.become("healthy");
await agent.untilStatus(({ endpoints }) => endpoints.every(({ state }) => state === "up"));
await delay(LATER_MS);
await fall(web, "silent");
await delay(LATER_MS);

const nowMs = Date.now();
const status = JSON.parse(plain((await json("status")).stdout)) as Status;
await draw("status", "mirror-agent status", renderStatus(status, { colour: true, width: WIDTH, nowMs }));
const explained = plain((await json("explain", IMAGES[1] ?? "")).stdout);
const { agent: notes, ...explanation } = JSON.parse(explained) as Explanation & { agent: readonly AgentNote[] };
const text = renderExplanation(explanation, { colour: true, width: WIDTH, nowMs, notes });
await draw("explain", `mirror-agent explain ${IMAGES[1]}`, text);
const { checks } = JSON.parse(plain((await json("doctor")).stdout)) as { checks: readonly Check[] };
await draw("doctor", "mirror-agent doctor", renderChecks(checks, { colour: true, width: WIDTH }));
await drawLive(status);

async function fill(): Promise<void> {
  for (const repository of ["team/app", "team-a/team/app", "team/web"]) {
    const image = buildImage({ seed: repository.replace("team-a/", ""), layerSizes: [3000, 20_000] });
    for (const tag of ["1.0", "2.1"]) await pushImage(image, { url: origin.url, repository, tag });
  }
}

async function serve(): Promise<FaultyServer> {
  const server = await startFaultyServer({ tls, source: { upstream: origin.url } });
  workspace.onEnd(() => server.close());
  return server;
}

async function fall(mirror: FaultyServer, behaviour: "refused" | "silent"): Promise<void> {
  await mirror.become(behaviour);
  const isOut = ({ routes }: Status) =>
    routes.some(({ leftOut }) => leftOut?.some((url) => url.startsWith(mirror.url)));
  await agent.untilStatus(isOut);
}

/** As on a terminal, in colour. */
function run(...args: readonly string[]) {
  return runCommand(["--root", containerd.dir, ...args], { answers: [] });
}

function json(...args: readonly string[]) {
  return runCommand(["--root", containerd.dir, "--output", "json", ...args]);
}

/** With the addresses and folders of an ordinary node. */
function plain(said: string): string {
  const servers = [app, web, gcr, docker].map(({ url }, index) => [url, NAMES[index] ?? ""] as const);
  const hosts = servers.map(([from, to]) => [new URL(from).host, new URL(to).host] as const);
  const folders = [
    [ca, "/etc/mirror-agent/mirror-ca.crt"],
    [containerd.dir, ""],
  ] as const;
  return [...servers, ...hosts, ...folders].reduce((shown, [from, to]) => shown.replaceAll(from, to), said);
}

/** The live screen, as a terminal of 80×24 shows it. */
async function drawLive(shown: Status): Promise<void> {
  const root = await workspace.folder("live");
  await mkdir(join(root, "run/mirror-agent"), { recursive: true });
  await writeFile(join(root, "run/mirror-agent/status.json"), JSON.stringify(shown));
  const pane = await startPane(workspace, `${process.execPath} ${TOP}src/main.ts --root ${root} status --watch`);
  await pane.until(/q quits/);
  await drawLines("watch", pane.showColours().trimEnd().split("\n"));
}

async function draw(name: string, command: string, output: string): Promise<void> {
  await drawLines(name, [`\x1b[2m$\x1b[22m ${command}`, ...output.trimEnd().split("\n")]);
}

/** A recording (asciicast v2) with one picture in it, drawn by termtosvg. */
async function drawLines(name: string, lines: readonly string[]): Promise<void> {
  // What is longer than a line is wrapped by the terminal.
  const rows = lines.map((line) => Math.max(1, Math.ceil(stripVTControlCharacters(line).length / WIDTH)));
  const height = rows.reduce((sum, count) => sum + count, 0);
  const header = { version: 2, width: WIDTH, height, timestamp: 0, env: {} };
  const events = [
    [0, "o", "\x1b[?25l"],
    [1, "o", lines.join("\r\n")],
  ];
  const cast = await workspace.file(`${name}.cast`, [header, ...events].map((line) => JSON.stringify(line)).join("\n"));
  const frames = await workspace.folder(`${name}.frames`);
  const template = join(TOP, "scripts/pictures/terminal.svg");
  execFileSync("termtosvg", ["render", cast, frames, "--still-frames", "--template", template], { stdio: "pipe" });
  const last = (await readdir(frames)).sort().at(-1) ?? "";
  await writeFile(join(TOP, `docs/pictures/${name}.svg`), await readFile(join(frames, last)));
}
