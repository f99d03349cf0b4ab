// This node's clock against those of the registries. What most of them agree about is the time; where there is no such
// majority, as with two that differ, nobody can tell whose clock is wrong, and the node is not judged by it.

import { serverRoot } from "../endpoint.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import type { DoctorFacts } from "./facts.ts";

const SKEW_WARN_MS = 30_000;
const SKEW_FAIL_MS = 300_000;

interface Clock {
  readonly server: string;
  /** How much later it is there than here. */
  readonly aheadMs: number;
}

/** The node's clock, and each server's that goes differently from the others, or from the node's. */
export function checkClock({ endpoints }: Pick<DoctorFacts, "endpoints">): Check[] {
  const clocks = findClocks(endpoints);
  const median = clocks[Math.floor(clocks.length / 2)]?.aheadMs;
  if (median === undefined) return [];
  const isFar = (aheadMs: number): boolean => Math.abs(aheadMs) >= SKEW_WARN_MS;
  const near = clocks.filter(({ aheadMs }) => !isFar(aheadMs - median));
  if (near.length * 2 <= clocks.length) return clocks.filter(({ aheadMs }) => isFar(aheadMs)).map(nameDisagreeing);
  const odd = clocks.filter((clock) => !near.includes(clock));
  return [judgeNode(median), ...odd.map((clock) => nameOdd(clock, median))];
}

/** One for each server, the one that is most behind first. */
function findClocks(endpoints: DoctorFacts["endpoints"]): Clock[] {
  const known = endpoints.flatMap(({ endpoint, clockAheadMs }) =>
    clockAheadMs === null ? [] : [{ server: serverRoot(endpoint.url), aheadMs: clockAheadMs }],
  );
  const [...clocks] = new Map(known.map((clock) => [clock.server, clock])).values();
  return clocks.sort((a, b) => a.aheadMs - b.aheadMs);
}

function judgeNode(aheadMs: number): Check {
  const found = `this node's clock is ${describeSkew(-aheadMs)} the registries'`;
  const mend = "mend time synchronisation (timedatectl; chronyc tracking)";
  if (Math.abs(aheadMs) >= SKEW_FAIL_MS) return fail("clock", `${found}: tokens and certificates are refused`, mend);
  return Math.abs(aheadMs) >= SKEW_WARN_MS
    ? warn("clock", found, mend)
    : ok("clock", "this node's clock agrees with the registries'");
}

function nameOdd({ server, aheadMs }: Clock, othersMs: number): Check {
  const found = `the clock of ${server} is ${describeSkew(aheadMs - othersMs)} the other registries'`;
  return warn("clock", found, `mend time synchronisation on the server of ${server}`);
}

function nameDisagreeing({ server, aheadMs }: Clock): Check {
  const found = `the clock of ${server} is ${describeSkew(aheadMs)} this node's, and the registries disagree`;
  return warn("clock", found, `mend time synchronisation on the server of ${server}, or here (timedatectl)`);
}

function describeSkew(aheadMs: number): string {
  return `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs < 0 ? "behind" : "ahead of"}`;
}
