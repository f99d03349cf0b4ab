// The screen of `mirror-agent doctor`: a line for each check, its mend below it, what is wrong counted at the end.

import type { Check } from "../core/doctor/check.ts";
import { escapeControl } from "./escape-control.ts";
import { humaniseCount } from "./humanise.ts";
import { type Colour, paint } from "./table.ts";

const COLOURS: Readonly<Record<Check["state"], Colour>> = { ok: "green", warn: "yellow", fail: "red" };

/** All checks for people; ends with a newline. */
export function renderChecks(checks: readonly Check[], { colour }: { colour: boolean }): string {
  const lines = checks.flatMap(({ id, state, found, mend }) => [
    `${paint(state.padEnd(5), COLOURS[state], colour)}${id.padEnd(12)} ${escapeControl(found)}`,
    ...(mend === null ? [] : [paint(`     ${"".padEnd(12)} → ${escapeControl(mend)}`, "bold", colour)]),
  ]);
  return `${[...lines, "", summarise(checks, colour)].join("\n")}\n`;
}

function summarise(checks: readonly Check[], colour: boolean): string {
  const count = (wanted: Check["state"]): number => checks.filter(({ state }) => state === wanted).length;
  const [failed, warned] = [count("fail"), count("warn")];
  if (failed + warned === 0) return paint("Nothing is wrong", "green", colour);
  const parts = [
    ...(failed > 0 ? [`${humaniseCount(failed, "check fails", "checks fail")}`] : []),
    ...(warned > 0 ? [humaniseCount(warned, "warning")] : []),
  ];
  return paint(parts.join(", "), failed > 0 ? "red" : "yellow", colour);
}
