import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { renderFailoverChart } from "../../scripts/bench/parts/failover-chart.ts";
import {
  cellKinds,
  chooseFrom,
  compareWithDirect,
  FAULTS,
  mergeRows,
} from "../../scripts/bench/parts/failover-table.ts";
import type { Row } from "../../scripts/bench/parts/results.ts";

const row = (fault: string, over: Row = {}): Row => ({
  fault,
  containerd: "1.7",
  mode: "agent",
  "a at strike": 1,
  ...over,
});

test("mergeRows() replaces the measured cells and keeps all others, in the table's order", () => {
  const kept = [row("refused"), row("silent"), row("silent", { containerd: "2.1" })];
  const merged = mergeRows(kept, [row("silent", { "a at strike": ">60" }), row("refused", { mode: "plain" })]);
  assert.deepEqual(merged, [
    row("refused", { mode: "plain" }),
    row("refused"),
    row("silent", { "a at strike": ">60" }),
    row("silent", { containerd: "2.1" }),
  ]);
});

test("mergeRows() drops cells that there are no more", () => {
  assert.deepEqual(mergeRows([row("moon-phase"), row("silent")], []), [row("silent")]);
});

test("mergeRows() keeps the whole table that docs show", () => {
  const file = fileURLToPath(new URL("../../docs/bench/failover.json", import.meta.url));
  const { seconds } = JSON.parse(readFileSync(file, "utf8")).tables as { seconds: Row[] };
  assert.deepEqual(mergeRows(seconds, []), seconds);
  assert.equal(seconds.length, cellKinds().length);
});

test("chooseFrom() refuses a name that there is not", () => {
  assert.deepEqual(chooseFrom(FAULTS, "html,silent"), ["silent", "html"]);
  assert.throws(() => chooseFrom(FAULTS, "silent,blob-stal"), { message: /^there is no "blob-stal", only refused, / });
});

test("compareWithDirect() counts the agent's cells that have pairs", () => {
  const rows = [
    row("silent", { "b/direct": 1.1 }),
    row("html", { "b/direct": "-" }),
    row("refused", { "b/direct": 0.9 }),
  ];
  const plain = row("silent", { mode: "plain", "b/direct": 7 });
  assert.deepEqual(compareWithDirect([...rows, plain]), { cells: 2, "median of b/direct": 0.9, p90: 1.1, max: 1.1 });
});

test("renderFailoverChart() shows every cell of the rows, also what was cut off", () => {
  const rows = [row("silent", { "a at strike": ">60", "b later": 0.44, "c in flight": 12 })];
  const svg = renderFailoverChart(rows);
  for (const words of ["&gt; 60", "0.4", "12.0", ">silent<"]) assert.ok(svg.includes(words), words);
});
