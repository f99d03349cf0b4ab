// What a bench found: printed as a table, and with --save kept in docs/bench.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { fileURLToPath } from "node:url";

export type Row = Readonly<Record<string, string | number>>;

/** Prints the tables, each under its name; with `--save` also writes docs/bench/NAME.json. */
export function tell(name: string, tables: Readonly<Record<string, readonly Row[]>>): void {
  const machine = { ...MACHINE_BEFORE, loadAfter: load() };
  for (const [title, rows] of Object.entries(tables)) {
    console.log(`\n${title}`);
    console.table(rows);
  }
  if (!process.argv.includes("--save")) return;
  writeFileSync(savedFile(`${name}.json`), `${JSON.stringify({ name, machine, tables }, null, 2)}\n`);
}

/** The rows of one table as `--save` kept them; none where it never did. */
export function readKept(name: string, title: string): readonly Row[] {
  const file = savedFile(`${name}.json`);
  if (!existsSync(file)) return [];
  const { tables } = JSON.parse(readFileSync(file, "utf8")) as { tables: Readonly<Record<string, readonly Row[]>> };
  return tables[title] ?? [];
}

/** Where `--save` keeps files. */
export function savedFile(name: string): string {
  return fileURLToPath(new URL(`../../../docs/bench/${name}`, import.meta.url));
}

/** The value that `share` (0 to 1) of the values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

function load(): number {
  return round(loadavg()[0] ?? 0, 2);
}

const MACHINE_BEFORE = {
  cores: cpus().length,
  cpu: cpus()[0]?.model ?? "unknown",
  kernel: release(),
  node: process.version,
  loadBefore: load(),
};
