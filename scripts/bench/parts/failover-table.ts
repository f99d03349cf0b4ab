// What the failover bench measures: which cells there are, a row of the table for each, and how a part that was
// measured anew joins the rows that were kept.

import { CONTAINERD_VERSIONS, type ContainerdVersion } from "../../../test/lab/parts.ts";
import { quantile, type Row, round } from "./results.ts";

export const FAULTS = [
  "refused",
  "black-hole",
  "silent",
  "tls-stalls",
  "status-503",
  "status-401",
  "certificate-expired",
  "html",
  "blob-silent",
  "blob-stall",
  "blob-truncated",
  "slow-drip",
  "flapping",
] as const;

export type Fault = (typeof FAULTS)[number];
/** containerd has `dial_timeout` from 2.1 on. */
export const MODES = ["plain", "dial_timeout 1s", "agent"] as const;
export type Mode = (typeof MODES)[number];

export interface CellKind {
  readonly fault: Fault;
  readonly version: ContainerdVersion;
  readonly mode: Mode;
}

export interface Pulled {
  /** Null if it was cut off. */
  readonly seconds: number | null;
  /** Attempts that failed before. */
  readonly failures: number;
}

export interface Pair {
  readonly later: number;
  readonly direct: number;
}

export interface CellResult extends CellKind {
  /** More pulls as "once known", each right beside one from the upstream with no mirror configured; none if it was cut off. */
  readonly pairs: readonly Pair[];
  readonly atStrike: Pulled;
  readonly onceKnown: Pulled;
  readonly inFlight: Pulled;
  /** Seconds after the strike at which the pull "once known" began, also where it was not known by then. */
  readonly laterAt: number;
  /** Seconds; null if the agent did not come to it within the bound, or there is none. */
  readonly detection: number | null;
  readonly failback: number | null;
  /** Of containerd, by its own log. */
  readonly restarts: number;
}

/** The columns that hold seconds of a pull. */
export const MOMENTS = { atStrike: "a at strike", onceKnown: "b later", inFlight: "c in flight" } as const;

interface Wanted {
  readonly faults?: readonly Fault[];
  readonly versions?: readonly ContainerdVersion[];
  readonly modes?: readonly Mode[];
}

/** Every cell of these faults, containerds and modes, in the order of the table. */
export function cellKinds({ faults = FAULTS, versions = CONTAINERD_VERSIONS, modes = MODES }: Wanted = {}): CellKind[] {
  return versions.flatMap((version) => {
    const known = modes.filter((mode) => mode !== "dial_timeout 1s" || version === "2.1");
    return faults.flatMap((fault) => known.map((mode): CellKind => ({ fault, mode, version })));
  });
}

/** Those of a comma-separated list, in the order of `all`; throws if it names one that there is not. */
export function chooseFrom<T extends string>(all: readonly T[], asked: string): readonly T[] {
  const names = asked.split(",");
  const unknown = names.find((name) => !all.some((each) => each === name));
  if (unknown !== undefined) throw new RangeError(`there is no "${unknown}", only ${all.join(", ")}`);
  return all.filter((each) => names.includes(each));
}

/** One row; what took longer than a limit says so. */
export function renderRow(result: CellResult, { boundMs, failbackMs }: { boundMs: number; failbackMs: number }): Row {
  const { fault, version, mode, pairs, laterAt, detection, failback, restarts } = result;
  const within = (seconds: number | null, limitMs: number) => seconds ?? `>${limitMs / 1000}`;
  const median = (numbers: readonly number[]) => (numbers.length === 0 ? "-" : round(quantile(numbers, 0.5), 2));
  const ofAgent = (seconds: number | string) => (mode === "agent" ? seconds : "-");
  return {
    fault,
    containerd: version,
    mode,
    [MOMENTS.atStrike]: within(result.atStrike.seconds, boundMs),
    [MOMENTS.onceKnown]: within(result.onceKnown.seconds, boundMs),
    "b began at": laterAt,
    [MOMENTS.inFlight]: within(result.inFlight.seconds, boundMs),
    "failed attempts a/b/c": [result.atStrike, result.onceKnown, result.inFlight]
      .map((each) => each.failures)
      .join("/"),
    detection: ofAgent(within(detection, boundMs)),
    failback: ofAgent(detection === null ? "-" : within(failback, failbackMs)),
    restarts,
    direct: median(pairs.map(({ direct }) => direct)),
    "b/direct": median(pairs.map(({ later, direct }) => later / direct)),
  };
}

/** The whole table: rows measured now, and those kept of all other cells that there still are. */
export function mergeRows(kept: readonly Row[], measured: readonly Row[]): Row[] {
  const rows = new Map([...kept, ...measured].map((row) => [cellOf(row), row]));
  return cellKinds().flatMap((kind): Row[] => {
    const row = rows.get(cellOf({ ...kind, containerd: kind.version }));
    return row === undefined ? [] : [row];
  });
}

/** How the agent's later pulls compare with direct ones: of the medians of all cells that have any. */
export function compareWithDirect(rows: readonly Row[]): Row {
  const ratios = rows.flatMap(({ mode, "b/direct": ratio }) =>
    mode === "agent" && typeof ratio === "number" ? [ratio] : [],
  );
  const of = (share: number) => (ratios.length === 0 ? "-" : round(quantile(ratios, share), 2));
  return { cells: ratios.length, "median of b/direct": of(0.5), p90: of(0.9), max: of(1) };
}

function cellOf({ fault, containerd, mode }: Row): string {
  return `${containerd} ${mode} ${fault}`;
}
