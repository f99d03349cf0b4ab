// Seconds that a pull takes when its mirror fails: every fault on every containerd, plain, with dial_timeout, and with
// the agent at its defaults; begun as the fault strikes (a), once it is known or 15 s later (b), under way when it
// strikes (c). Beside each (b) the same from the upstream with no mirror configured (direct). Takes 15 to 25 minutes;
// `--fault silent,html`, `--containerd 2.1` and `--mode agent` choose, `--quick` takes two faults and one containerd, `--interval 1s`
// sets the agent's probes (then --save writes failover-1s), `--bound S` cuts pulls off, `--together N` runs N cells at a
// time. What --save keeps of cells that were not measured stays as it was.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { makeAuthority } from "../../test/lab/certificates.ts";
import { startFaultyServer } from "../../test/lab/faulty-server.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../../test/lab/parts.ts";
import { createWorkspace, type Workspace } from "../../test/lab/workspace.ts";
import { FAILBACK_MS, type Ground, IMAGE_FILES, openCell } from "./parts/failover-cell.ts";
import { renderFailoverChart } from "./parts/failover-chart.ts";
import {
  type CellKind,
  type CellResult,
  cellKinds,
  chooseFrom,
  compareWithDirect,
  FAULTS,
  MODES,
  mergeRows,
  renderRow,
} from "./parts/failover-table.ts";
import { readKept, savedFile, tell } from "./parts/results.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    bound: { type: "string", default: "60" },
    interval: { type: "string" },
    fault: { type: "string" },
    containerd: { type: "string" },
    mode: { type: "string" },
    together: { type: "string", default: "6" },
  },
});
const faults = choose("fault", FAULTS, ["silent", "status-503"]);
const versions = choose("containerd", CONTAINERD_VERSIONS, ["1.7"]);
const modes = choose("mode", MODES, MODES);
const boundMs = numberOf("bound") * 1000;
const together = numberOf("together");
const missing = labMissing();
if (missing) throw new Error(`Cannot measure: ${missing}`);
const interval = values.interval ?? null;
const name = interval === null ? "failover" : `failover-${interval}`;

await using workspace = await createWorkspace();
const ground = await prepareGround(workspace);
const results = await measureAll(cellKinds({ faults, versions, modes }));

const measured = results.map((result) => renderRow(result, { boundMs, failbackMs: FAILBACK_MS }));
const rows = values.save ? mergeRows(readKept(name, "seconds"), measured) : measured;
tell(name, { seconds: rows, "(b) beside direct": [compareWithDirect(rows)] });
if (values.save) writeFileSync(savedFile(`${name}.svg`), renderFailoverChart(rows));

/** Results in the order of the cells; so many at a time as leave the machine's cores some rest. What fails is told and left out. */
async function measureAll(wanted: readonly CellKind[]): Promise<CellResult[]> {
  const done: (CellResult | null)[] = [];
  const left = [...wanted.entries()];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [index, kind] = next;
      const { version, mode, fault } = kind;
      const cell = `containerd ${version}, ${mode}: ${fault}`;
      done[index] = await measureCell(kind).catch((error: Error) => {
        console.error(`${cell}: ${error.message}`);
        process.exitCode = 1;
        return null;
      });
      console.log(`${wanted.length - left.length}/${wanted.length} ${cell}`);
    }
  };
  await Promise.all(Array.from({ length: together }, work));
  return done.filter((result) => result !== null);
}

async function measureCell(kind: CellKind): Promise<CellResult> {
  await using own = await createWorkspace();
  const cell = await openCell(own, kind, ground);
  return await cell.measure(); // awaited here, or the workspace would end before it
}

async function prepareGround(workspace: Workspace): Promise<Ground> {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const expiredTls = authority.issue(["IP:127.0.0.1"], { expired: true });
  const upstream = await startFaultyServer({ tls, source: { files: IMAGE_FILES } });
  workspace.onEnd(() => upstream.close());
  return { tls, expiredTls, upstream, ca: await workspace.file("ca.pem", authority.cert), boundMs, interval };
}

function choose<T extends string>(
  option: "fault" | "containerd" | "mode",
  all: readonly T[],
  few: readonly T[],
): readonly T[] {
  const asked = values[option];
  if (asked === undefined) return values.quick ? few : all;
  try {
    return chooseFrom(all, asked);
  } catch (error) {
    return refuse(`--${option}: ${(error as Error).message}`);
  }
}

function numberOf(option: "bound" | "together"): number {
  const number = Number(values[option]);
  return number >= 1 ? number : refuse(`--${option}: "${values[option]}" is no number from 1 up`);
}

function refuse(message: string): never {
  console.error(`failover: ${message}`);
  process.exit(2);
}
