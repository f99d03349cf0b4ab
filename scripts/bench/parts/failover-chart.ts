// The failover table as a picture: a row for each fault, a column for each containerd with and without the agent.
// Colours say how long a pod waits; the number is in the cell, for whoever cannot tell them apart.

import { FAULTS, MOMENTS } from "./failover-table.ts";
import type { Row } from "./results.ts";

const CELL = { width: 62, height: 22 };
const LABELS = 150;
const TOP = 74;
const GAP = 26;
const PANELS = [
  [MOMENTS.atStrike, "begun as the fault strikes"],
  [MOMENTS.inFlight, "under way when it strikes"],
  [MOMENTS.onceKnown, "begun later"],
] as const;

/** An SVG document of these rows of the table. */
export function renderFailoverChart(rows: readonly Row[]): string {
  const columns = [...new Map(rows.map((each) => [columnOf(each), each])).values()];
  const faults = FAULTS.filter((fault) => rows.some((each) => each.fault === fault));
  const panelWidth = columns.length * CELL.width + GAP;
  const size = { width: LABELS + PANELS.length * panelWidth, height: TOP + faults.length * CELL.height + 40 };
  const parts = [
    text({
      x: 8,
      y: 20,
      size: 15,
      words: "Seconds until an image is pulled while its mirror fails; with > it was cut off",
    }),
    ...faults.map((fault, row) => text({ x: 8, y: TOP + row * CELL.height + 15, size: 12, words: fault })),
    ...PANELS.flatMap(([moment, title], panel) => {
      const left = LABELS + panel * panelWidth;
      return [
        text({ x: left, y: 42, size: 13, words: title }),
        ...renderPanel({ left, columns, faults, rows, moment }),
      ];
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" font-family="sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.join("\n")}\n</svg>\n`;
}

interface Panel {
  readonly left: number;
  readonly columns: readonly Row[];
  readonly faults: readonly string[];
  readonly rows: readonly Row[];
  readonly moment: (typeof PANELS)[number][0];
}

function renderPanel({ left, columns, faults, rows, moment }: Panel): string[] {
  return columns.flatMap((column, index) => {
    const x = left + index * CELL.width;
    const head = [
      text({ x: x + 4, y: 57, size: 11, words: String(column.containerd) }),
      text({ x: x + 4, y: 70, size: 11, words: String(column.mode).replace("dial_timeout", "dial") }),
    ];
    const cells = faults.map((fault, index) => {
      const row = rows.find((each) => each.fault === fault && columnOf(each) === columnOf(column));
      return row ? renderCell({ x, y: TOP + index * CELL.height, seconds: row[moment] ?? "" }) : "";
    });
    return [...head, ...cells];
  });
}

function renderCell({ x, y, seconds }: { x: number; y: number; seconds: string | number }): string {
  const words = typeof seconds === "number" ? seconds.toFixed(1) : seconds.replace(">", "> ");
  const box = `<rect x="${x}" y="${y}" width="${CELL.width - 2}" height="${CELL.height - 2}" fill="${colourOf(seconds)}"/>`;
  return box + text({ x: x + 6, y: y + 15, size: 12, words });
}

/** What was cut off is text. */
function colourOf(seconds: string | number): string {
  if (typeof seconds === "string") return "#f4978e";
  if (seconds <= 3) return "#b7e4c7";
  return seconds <= 12 ? "#e9f5c9" : "#ffd97d";
}

function columnOf({ containerd, mode }: Row): string {
  return `${containerd} ${mode}`;
}

function text({ x, y, size, words }: { x: number; y: number; size: number; words: string }): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="#222222">${words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</text>`;
}
