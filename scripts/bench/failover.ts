// Seconds that a pull takes when its mirror fails: every fault on every containerd, plain, with dial_timeout, and with
// the agent at its defaults; begun as the fault strikes (a), once it is known or 30 s later (b), under way when it strikes (c).
// `--quick` takes two faults and one containerd, `--bound S` cuts pulls off, `--interval 1s` sets the agent's probes,
// `--faults A,B` and `--versions 1.7` choose.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeAuthority } from "../../test/lab/certificates.ts";
import { startFaultyServer } from "../../test/lab/faulty-server.ts";
import { CONTAINERD_VERSIONS, type ContainerdVersion, labMissing } from "../../test/lab/parts.ts";
import { createWorkspace, type Workspace } from "../../test/lab/workspace.ts";
import {
  type CellResult,
  FAILBACK_MS,
  FAULTS,
  type Ground,
  IMAGE_FILES,
  type Mode,
  openCell,
} from "./parts/failover-cell.ts";
import { renderFailoverChart } from "./parts/failover-chart.ts";
import { type Row, tell } from "./parts/results.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    bound: { type: "string", default: "60" },
    interval: { type: "string" },
    faults: { type: "string" },
    versions: { type: "string" },
  },
});
const missing = labMissing();
if (missing) throw new Error(`Cannot measure: ${missing}`);
const boundMs = Number(values.bound) * 1000;
const interval = values.interval ?? null;
const faults = choose(FAULTS, values.faults, ["silent", "status-503"]);
const versions = choose(CONTAINERD_VERSIONS, values.versions, ["1.7"]);
/** As many containerds are started at a time as the machine has cores to start them. */
const AT_A_TIME = 3;

const results: CellResult[] = [];
for (const version of versions) results.push(...(await measureVersion(version)));

tell("failover", { seconds: results.map(toRow) });
if (values.save) {
  const chart = fileURLToPath(new URL("../../docs/bench/failover.svg", import.meta.url));
  writeFileSync(chart, renderFailoverChart(results, { boundMs }));
}

async function measureVersion(version: ContainerdVersion): Promise<CellResult[]> {
  await using workspace = await createWorkspace();
  const ground = await prepareGround(workspace);
  const modes: Mode[] = version === "2.1" ? ["plain", "dial_timeout 1s", "agent"] : ["plain", "agent"];
  const wanted = faults.flatMap((fault) => modes.map((mode) => ({ fault, mode, version })));
  console.log(`containerd ${version}: starting ${wanted.length} of them`);
  const cells = await inTurns(wanted, (each) => openCell(workspace, each, ground));
  console.log(`containerd ${version}: faults strike`);
  return await Promise.all(cells.map((cell) => cell.measure())); // awaited here, or the workspace would end before them
}

async function prepareGround(workspace: Workspace): Promise<Ground> {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const expiredTls = authority.issue(["IP:127.0.0.1"], { expired: true });
  const upstream = await startFaultyServer({ tls, source: { files: IMAGE_FILES } });
  workspace.onEnd(() => upstream.close());
  return { tls, expiredTls, upstream, ca: await workspace.file("ca.pem", authority.cert), boundMs, interval };
}

async function inTurns<T, R>(items: readonly T[], each: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  const left = [...items.entries()];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) done[next[0]] = await each(next[1]);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return done;
}

function choose<T extends string>(all: readonly T[], asked: string | undefined, few: readonly T[]): readonly T[] {
  if (asked !== undefined) return all.filter((each) => asked.split(",").includes(each));
  return values.quick ? few : all;
}

function toRow(result: CellResult): Row {
  const { fault, version, mode, direct, laterAt, detection, failback, restarts } = result;
  const within = (seconds: number | null, limitMs: number) => seconds ?? `>${limitMs / 1000}`;
  const ofAgent = (seconds: number | string) => (mode === "agent" ? seconds : "-");
  return {
    fault,
    containerd: version,
    mode,
    "a at strike": within(result.atStrike.seconds, boundMs),
    "b later": within(result.onceKnown.seconds, boundMs),
    "b began at": laterAt,
    "c in flight": within(result.inFlight.seconds, boundMs),
    "failed attempts a/b/c": [result.atStrike, result.onceKnown, result.inFlight]
      .map((each) => each.failures)
      .join("/"),
    detection: ofAgent(within(detection, boundMs)),
    failback: ofAgent(detection === null ? "-" : within(failback, FAILBACK_MS)),
    restarts,
    direct,
  };
}
