// What the package costs a whole node: its sizes, how long an installation takes until the first pull through the
// mirror, start to READY; then an hour (--minutes N) of idling with one mirror that answers, beside Debian's
// prometheus-node-exporter on the same booted node, which is asked for its metrics every 15 s as Prometheus would.

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { startDaemon } from "../../test/lab/daemon.ts";
import type { Machine } from "../../test/lab/machine.ts";
import { createWorkspace } from "../../test/lab/workspace.ts";
import { CONFIG, openNodeScene } from "../../test/packaging/node-scene.ts";
import { parseMemory } from "./parts/process-cost.ts";
import { quantile, type Row, round, tell } from "./parts/results.ts";

const EXPORTER = "prometheus-node-exporter";
const UNITS = ["mirror-agent", EXPORTER];
/** What is counted: what the agent tells, and starts of containerd. */
const JOURNALS = ["-u mirror-agent", "-u containerd | grep 'Started containerd'"];
const STARTS = 5;
const SCRAPE_MS = 15_000;
/** Until what the start and the takeover left is over. */
const SETTLE_MS = 120_000;
/** Of the kernel's clock in /proc/PID/stat. */
const TICKS_A_SECOND = 100;
const MIB = 2 ** 20;

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "60" }, save: { type: "boolean", default: false } },
});
const minutes = Number(values.minutes);

await using workspace = await createWorkspace();
const packages = await buildPackages();
const scene = await openNodeScene(workspace, "1.6");
const { node } = scene;
let scraperEnded = false;
const rows: Row[] = [...(await measureSizes()), ...(await measureInstallation()), await measureStarts()];
await installExporter();
const idling = await measureIdling();
tell("node", { "The package on a node": rows, [`${minutes} min idle`]: idling });

/** As they are published, so well compressed. */
async function buildPackages(): Promise<{ deb: string; rpm: string }> {
  const into = await workspace.folder("packages");
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  await promisify(execFile)(join(import.meta.dirname, "../package"), [`--into=${into}`, architecture]);
  const [deb = "", rpm = ""] = [".deb", ".rpm"].map((end) => readdirSync(into).find((name) => name.endsWith(end)));
  return { deb: join(into, deb), rpm: join(into, rpm) };
}

async function measureSizes(): Promise<Row[]> {
  const mb = async (path: string): Promise<number> => round((await stat(path)).size / 1e6);
  const installedKiB = (await promisify(execFile)("dpkg-deb", ["--field", packages.deb, "Installed-Size"])).stdout;
  return [
    { what: ".deb, MB", value: await mb(packages.deb) },
    { what: ".rpm, MB", value: await mb(packages.rpm) },
    { what: "installed, MiB", value: round(Number(installedKiB) / 1024) },
  ];
}

/** What a person does: dpkg -i, then names the mirror in the config. */
async function measureInstallation(): Promise<Row[]> {
  await node.put("/root/mirror-agent.deb", await readFile(packages.deb));
  const begin = performance.now();
  const since = (): number => round((performance.now() - begin) / 1000);
  await node.run("dpkg -i /root/mirror-agent.deb");
  const installed = since();
  await node.write("/etc/mirror-agent/mirror-ca.crt", await node.run("cat /usr/local/share/ca-certificates/lab.crt"));
  await node.write("/etc/mirror-agent/config.yaml", CONFIG.slice(0, CONFIG.indexOf("agent:"))); // the defaults
  await node.until("journalctl -u mirror-agent | grep 'containerd reads the routes'", 90_000);
  const servedBy = await scene.pull();
  if (servedBy !== "mirror") throw new Error(`The first pull went to ${servedBy}`);
  return [
    { what: "dpkg -i to READY, s", value: installed },
    { what: "dpkg -i to the first pull through the mirror, s", value: since() },
  ];
}

async function measureStarts(): Promise<Row> {
  const seconds: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    await node.run("systemctl restart mirror-agent");
    const times = "ActiveEnterTimestampMonotonic InactiveExitTimestampMonotonic";
    const [ready, begun] = await Promise.all(times.split(" ").map((time) => show(node, "mirror-agent", time)));
    seconds.push((Number(ready) - Number(begun)) / 1e6);
  }
  return { what: `start to READY, s (median of ${STARTS})`, value: round(quantile(seconds, 0.5), 2) };
}

async function installExporter(): Promise<void> {
  const folder = await workspace.folder("exporter");
  await promisify(execFile)("apt-get", ["-q", "download", EXPORTER], { cwd: folder });
  const [deb = ""] = readdirSync(folder);
  await node.put("/root/exporter.deb", await readFile(join(folder, deb)));
  await node.run(`dpkg -i /root/exporter.deb && systemctl is-active ${EXPORTER}`);
  const namespace = await scene.lan.addHost("scrape", "172.18.0.40");
  const program = `setInterval(async () => (await fetch("http://172.18.0.10:9100/metrics")).text(), ${SCRAPE_MS})`;
  const scraper = await startDaemon(["ip", "netns", "exec", namespace, process.execPath, "--eval", program]);
  workspace.onEnd(() => scraper.kill());
  void scraper.ended.then(() => {
    scraperEnded = true;
  });
}

async function measureIdling(): Promise<Row[]> {
  await delay(SETTLE_MS);
  const linesBefore = await Promise.all(JOURNALS.map(countLines));
  const begin = performance.now();
  const before = await Promise.all(UNITS.map((unit) => readCost(node, unit)));
  const most = before.map(({ memory }) => memory.rssMiB);
  for (let minute = 0; minute < minutes; minute++) {
    await delay(60_000);
    for (const [index, unit] of UNITS.entries()) {
      most[index] = Math.max(most[index] ?? 0, (await readCost(node, unit)).memory.rssMiB);
    }
  }
  const after = await Promise.all(UNITS.map((unit) => readCost(node, unit)));
  const seconds = (performance.now() - begin) / 1000;
  if (scraperEnded) throw new Error("Nobody asked the exporter for its metrics");
  const lines = await Promise.all(JOURNALS.map(countLines));
  const [told = 0, restarts = 0] = lines.map((count, index) => count - (linesBefore[index] ?? 0));
  return UNITS.map((unit, index) => {
    const [first, last] = [before[index], after[index]];
    if (!first || !last || first.pid !== last.pid) throw new Error(`${unit} was started again meanwhile`);
    const cpuSeconds = last.cpuSeconds - first.cpuSeconds;
    return {
      unit,
      "CPU, s": round(cpuSeconds, 2),
      "% of a core": round((100 * cpuSeconds) / seconds, 3),
      "RSS, MiB": last.memory.rssMiB,
      "most RSS": most[index] ?? 0,
      "PSS, MiB": last.memory.pssMiB,
      "anonymous, MiB": last.memory.anonymousMiB,
      "written, MiB": round((last.writtenBytes - first.writtenBytes) / MIB, 2),
      ...(unit === "mirror-agent" ? { "lines in the journal": told, "restarts of containerd": restarts } : {}),
    };
  });
}

/** With what its children took that have ended. */
async function readCost(machine: Machine, unit: string) {
  const pid = await show(machine, unit, "MainPID");
  const read = (file: string): Promise<string> => machine.run(`cat /proc/${pid}/${file}`);
  const [rollup, io, line] = await Promise.all(
    ["smaps_rollup", "io", "stat"].map(read) as [Promise<string>, Promise<string>, Promise<string>],
  );
  const ticks = line
    .slice(line.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15);
  return {
    pid,
    memory: parseMemory(rollup),
    cpuSeconds: ticks.reduce((sum, each) => sum + Number(each), 0) / TICKS_A_SECOND,
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(io)?.[1]),
  };
}

async function countLines(journal: string): Promise<number> {
  return Number(await node.run(`journalctl -q -o cat ${journal} | wc -l`));
}

async function show(machine: Machine, unit: string, property: string): Promise<string> {
  return (await machine.run(`systemctl show ${unit} --property=${property} --value`)).trim();
}
