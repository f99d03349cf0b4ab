// The screen of `mirror-agent doctor`: a line for each check, its mend below it, what is wrong counted at the end.

import type { Check } from "../core/doctor/check.ts";
import { escapeControl } from "./escape-control.ts";
import { wrapText } from "./fit-text.ts";
import { humaniseCount } from "./humanise.ts";
import { type Colour, paint } from "./table.ts";

const COLOURS: Readonly<Record<Check["state"], Colour>> = { ok: "green", warn: "yellow", fail: "red" };

const INDENT = " ".repeat(18);

/** All checks for people; ends with a newline. */
export function renderChecks(
  checks: readonly Check[],
  { colour, width = Number.POSITIVE_INFINITY }: { colour: boolean; width?: number },
): string {
  const lines = checks.flatMap(({ id, state, found, mend }) => {
    const [first = "", ...others] = wrapText(
      `${state.padEnd(5)}${id.padEnd(12)} ${escapeControl(found)}`,
      width,
      INDENT,
    );
    const mends = mend === null ? [] : wrapText(`${INDENT}→ ${escapeControl(mend)}`, width, `${INDENT}  `);
    return [
      `${paint(first.slice(0, 5), COLOURS[state], colour)}${first.slice(5)}`,
      ...others,
      ...mends.map((line) => paint(line, "bold", colour)),
    ];
  });
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
