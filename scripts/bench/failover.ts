// Seconds that a pull takes when its mirror fails: every fault on every containerd, plain, with dial_timeout, and with
// the agent at its defaults; begun as the fault strikes (a), once it is known or 15 s later (b), under way when it
// strikes (c). Beside each (b) the same from the upstream with no mirror configured (direct). Takes 15 to 25 minutes;
// `--fault silent,html` and `--containerd 2.1` choose, `--quick` takes two faults and one containerd, `--interval 1s`
// sets the agent's probes (then --save writes failover-1s), `--bound S` cuts pulls off, `--together N` runs N cells at a time.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeAuthority } from "../../test/lab/certificates.ts";
import { startFaultyServer } from "../../test/lab/faulty-server.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../../test/lab/parts.ts";
import { createWorkspace, type Workspace } from "../../test/lab/workspace.ts";
import {
  type CellKind,
  type CellResult,
  FAILBACK_MS,
  FAULTS,
  type Ground,
  IMAGE_FILES,
  type Mode,
  openCell,
} from "./parts/failover-cell.ts";
import { renderFailoverChart } from "./parts/failover-chart.ts";
import { quantile, type Row, round, tell } from "./parts/results.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    bound: { type: "string", default: "60" },
    interval: { type: "string" },
    fault: { type: "string" },
    containerd: { type: "string" },
    together: { type: "string", default: "6" },
  },
});
const missing = labMissing();
if (missing) throw new Error(`Cannot measure: ${missing}`);
const boundMs = Number(values.bound) * 1000;
const interval = values.interval ?? null;
const name = interval === null ? "failover" : `failover-${interval}`;
const faults = choose(FAULTS, values.fault, ["silent", "status-503"]);
const versions = choose(CONTAINERD_VERSIONS, values.containerd, ["1.7"]);

const kinds = versions.flatMap((version) => {
  const modes: Mode[] = version === "2.1" ? ["plain", "dial_timeout 1s", "agent"] : ["plain", "agent"];
  return faults.flatMap((fault) => modes.map((mode): CellKind => ({ fault, mode, version })));
});
await using workspace = await createWorkspace();
const ground = await prepareGround(workspace);
const results = await measureAll(kinds);

tell(name, { seconds: results.map(toRow), "(b) beside direct": [compareWithDirect()] });
if (values.save) {
  const chart = fileURLToPath(new URL(`../../docs/bench/${name}.svg`, import.meta.url));
  writeFileSync(chart, renderFailoverChart(results, { boundMs }));
}

/** Results in the order of the cells; so many at a time as leave the machine's cores some rest. */
async function measureAll(wanted: readonly CellKind[]): Promise<CellResult[]> {
  const done: CellResult[] = [];
  const left = [...wanted.entries()];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [index, kind] = next;
      done[index] = await measureCell(kind);
      const { version, mode, fault } = kind;
      console.log(`${done.filter(Boolean).length}/${wanted.length} containerd ${version}, ${mode}: ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.together) }, work));
  return done;
}

async function measureCell(kind: CellKind): Promise<CellResult> {
  await using own = await createWorkspace();
  const cell = await openCell(own, kind, ground);
  return await cell.measure(); // awaited here, or the workspace would end before it
}

function compareWithDirect(): Row {
  const ratios = results.flatMap(({ mode, pairs }) => (mode === "agent" ? pairs : []));
  const values = ratios.map(({ later, direct }) => later / direct);
  const of = (share: number) => (values.length === 0 ? "-" : round(quantile(values, share), 2));
  return { pairs: values.length, "median of (b)/direct": of(0.5), p90: of(0.9), max: of(1) };
}

async function prepareGround(workspace: Workspace): Promise<Ground> {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const expiredTls = authority.issue(["IP:127.0.0.1"], { expired: true });
  const upstream = await startFaultyServer({ tls, source: { files: IMAGE_FILES } });
  workspace.onEnd(() => upstream.close());
  return { tls, expiredTls, upstream, ca: await workspace.file("ca.pem", authority.cert), boundMs, interval };
}

function choose<T extends string>(all: readonly T[], asked: string | undefined, few: readonly T[]): readonly T[] {
  if (asked !== undefined) return all.filter((each) => asked.split(",").includes(each));
  return values.quick ? few : all;
}

function toRow(result: CellResult): Row {
  const { fault, version, mode, pairs, laterAt, detection, failback, restarts } = result;
  const within = (seconds: number | null, limitMs: number) => seconds ?? `>${limitMs / 1000}`;
  const median = (numbers: readonly number[]) => (numbers.length === 0 ? "-" : round(quantile(numbers, 0.5), 2));
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
    direct: median(pairs.map(({ direct }) => direct)),
    "b/direct": median(pairs.map(({ later, direct }) => later / direct)),
  };
}
