// What a fleet asks of its mirror and of the registry behind it, in the steady state, while the mirror fails and
// when it recovers: npm run simulate. docs/fleet.md holds the tables and what follows from them.

import { parseConfig } from "../src/core/config/parse-config.ts";
import type { AgentSettings, JitterSettings } from "../src/core/mirror-config.ts";
import { type Fault, type FleetResult, simulateFleet } from "./simulate/fleet.ts";

const NODES = 10_000;
const SECOND = 1000;
const FAULT_AT_S = 120;
const RECOVERY_AT_S = 260;
const END_S = 360;
const PULL_EVERY_S = 60;

interface Case {
  readonly interval: string;
  readonly fault: Fault;
  readonly jitter: JitterSettings | null;
}

const INTERVALS: readonly Case[] = (["hangs", "hollow"] as const).flatMap((fault) =>
  ["1s", "5s", "10s"].map((interval) => ({ interval, fault, jitter: null })),
);
const JITTERS: readonly Case[] = [
  [0, 0],
  [1000, 10_000],
  [2000, 30_000],
  [5000, 30_000],
  [10_000, 60_000],
].map(([failoverMs = 0, failbackMs = 0]) => ({ interval: "5s", fault: "hangs", jitter: { failoverMs, failbackMs } }));

console.log(
  `${NODES.toLocaleString("en")} nodes; each pulls every ${PULL_EVERY_S} s, as in a rollout, 6 requests a pull.`,
);
console.log("Requests in one second, and seconds until nodes have changed their routes.\n");
console.log(renderTable(INTERVALS));
console.log("\nThe same at an interval of 5s, by jitter:\n");
console.log(renderTable(JITTERS));

function renderTable(cases: readonly Case[]): string {
  const head = [
    "fault",
    "interval",
    "jitter: failover, failback",
    "mirror, steady",
    "upstream, peak after the fault",
    "upstream, later",
    "mirror, during the fault",
    "mirror, peak after recovery",
    "failover: half, all",
    "failback: half, all",
  ];
  const rows = [head, head.map(() => "---"), ...cases.map(renderCase)];
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function renderCase({ interval, fault, jitter }: Case): string[] {
  const settings = settingsFor(interval, jitter);
  const result = simulateFleet({
    nodes: NODES,
    settings,
    fault,
    faultAtMs: FAULT_AT_S * SECOND,
    recoveryAtMs: RECOVERY_AT_S * SECOND,
    endMs: END_S * SECOND,
    pullEveryMs: PULL_EVERY_S * SECOND,
    seed: 1,
  });
  const { failoverMs, failbackMs } = settings.jitter;
  return [
    fault,
    interval,
    `${failoverMs / SECOND} s, ${failbackMs / SECOND} s`,
    count(mean(result.mirror, 60, FAULT_AT_S)),
    count(peak(result.upstream, FAULT_AT_S, RECOVERY_AT_S)),
    count(mean(result.upstream, RECOVERY_AT_S - 60, RECOVERY_AT_S)),
    count(mean(result.mirror, RECOVERY_AT_S - 60, RECOVERY_AT_S)),
    count(peak(result.mirror, RECOVERY_AT_S, END_S)),
    halfAndAll(result.failoversMs),
    halfAndAll(result.failbacksMs),
  ];
}

function settingsFor(interval: string, jitter: JitterSettings | null): AgentSettings {
  const { config } = parseConfig(`agent: { probe: { interval: ${interval} } }`);
  if (config === null) throw new Error(`Cannot simulate an interval of "${interval}": it is none`);
  return jitter === null ? config.agent : { ...config.agent, jitter };
}

function halfAndAll(timesMs: FleetResult["failoversMs"]): string {
  const half = timesMs[Math.floor(timesMs.length / 2)] ?? Number.NaN;
  const all = timesMs.length === NODES ? (timesMs.at(-1) ?? Number.NaN) : Number.NaN;
  return `${(half / SECOND).toFixed(1)} s, ${(all / SECOND).toFixed(1)} s`;
}

function mean(counts: readonly number[], fromS: number, toS: number): number {
  return counts.slice(fromS, toS).reduce((sum, each) => sum + each, 0) / (toS - fromS);
}

function peak(counts: readonly number[], fromS: number, toS: number): number {
  return Math.max(...counts.slice(fromS, toS));
}

function count(requests: number): string {
  return Math.round(requests).toLocaleString("en");
}
