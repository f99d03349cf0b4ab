// Aligned columns for a terminal, without frames, so that lines can be searched and copied.

import { styleText } from "node:util";
import { shorten } from "./fit-text.ts";

export type Colour = "red" | "green" | "yellow" | "dim" | "bold";

export interface Cell {
  readonly text: string;
  readonly colour: Colour | null;
  /** What is left of it in so few columns; its two ends unless said otherwise. */
  readonly shorten?: (width: number) => string;
}

export interface TableOptions {
  readonly colour: boolean;
  /** Columns of the terminal; cells are shortened so that lines fit. */
  readonly width: number;
}

const GAP = "  ";
const LEAST_WIDTH = 8;

/** Lines of `rows` under a header, each column as wide as its widest cell; the widest column gives way first. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions,
): string[] {
  const all = [header.map((text): Cell => ({ text, colour: "dim" })), ...rows];
  const widths = fitWidths(
    header.map((_, column) => Math.max(...all.map((row) => row[column]?.text.length ?? 0))),
    options.width,
  );
  return all.map((row) => renderRow(row, widths, options.colour));
}

/** `text` in a colour, or as it is. */
export function paint(text: string, colour: Colour | null, isWanted: boolean): string {
  return isWanted && colour !== null ? styleText(colour, text, { validateStream: false }) : text;
}

function fitWidths(wanted: readonly number[], total: number): number[] {
  const widths = [...wanted];
  const sum = (): number => widths.reduce((a, b) => a + b, 0) + GAP.length * (widths.length - 1);
  while (sum() > total) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= LEAST_WIDTH) break;
    widths[widest] = width - 1;
  }
  return widths;
}

// Cells are padded before they are painted: escape sequences have no width.
function renderRow(row: readonly Cell[], widths: readonly number[], colour: boolean): string {
  const last = row.findLastIndex(({ text }) => text !== "");
  const cells = row.slice(0, last + 1).map((cell, column) => {
    const { text, colour: own } = cell;
    const width = widths[column] ?? 0;
    const fitted = text.length <= width ? text : (cell.shorten?.(width) ?? shorten(text, width));
    return paint(fitted, own, colour) + (column === last ? "" : " ".repeat(width - fitted.length));
  });
  return cells.join(GAP);
}
