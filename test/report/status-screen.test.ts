// Screens as they should be, in test/fixtures/screens; `node --test --test-update-snapshots` writes them anew.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { renderStatus } from "../../src/report/render-status.ts";
import type { Status } from "../../src/report/status.ts";
import { renderChanges, renderScreen } from "../../src/report/status-screen.ts";
import { BAD_DAY, NOW, ORDINARY } from "./statuses.ts";

process.env.TZ = "UTC";

const nowMs = Date.parse(NOW);
const SIZES = [
  [80, 24],
  [60, 20],
  [132, 40],
] as const;
const STATUSES: Readonly<Record<string, Status>> = { ordinary: ORDINARY, "bad-day": BAD_DAY };

const seen = (status: Status) => ({ status, problem: null });
const at = (width: number, height: number, colour = false) => ({ width, height, colour, nowMs });
const snapshot = (name: string) => join(import.meta.dirname, "../fixtures/screens", name);
const asText = { serializers: [(lines: readonly string[]) => `${lines.join("\n")}\n`] };

describe("renderScreen()", () => {
  for (const [name, status] of Object.entries(STATUSES)) {
    for (const [width, height] of SIZES) {
      test(`is as in the picture: ${name} at ${width}×${height}`, (t) => {
        const lines = renderScreen(seen(status), at(width, height));
        assert.equal(lines.length, height);
        assert.deepEqual(
          lines.filter((line) => line.length > width),
          [],
        );
        t.assert.fileSnapshot(lines, snapshot(`watch-${name}-${width}x${height}.txt`), asText);
      });
    }
  }

  test("has as many lines as there are rows, none wider than the terminal, at any size", () => {
    const many = Array.from({ length: 40 }, (_, index) => ({
      ...(BAD_DAY.endpoints[index % 4] as Status["endpoints"][number]),
      endpoint: `https://mirror-${index}.example.com:5000/v2/platform-team`,
    }));
    for (const status of [ORDINARY, BAD_DAY, { ...BAD_DAY, endpoints: many }]) {
      for (let height = 1; height < 60; height += 1) {
        for (const width of [40, 61, 80, 200]) {
          const lines = renderScreen(seen(status), at(width, height));
          assert.equal(lines.length, height, `${width}×${height}`);
          assert.ok(
            lines.every((line) => line.length <= width),
            `${width}×${height}`,
          );
        }
      }
    }
  });

  test("shows first what is down, and how much is missing", () => {
    const endpoints = [...Array.from({ length: 40 }, () => ORDINARY.endpoints[0]), BAD_DAY.endpoints[1]] as never;
    const text = renderScreen(seen({ ...BAD_DAY, endpoints }), at(80, 24)).join("\n");
    assert.match(text, /ENDPOINT.*\n.*registry-mirror-01.* down /);
    const [, missing] = /\n {2}… (\d+) more lines\n/.exec(text) ?? [];
    const shown = text.match(/^https:\/\/172\.18\.0\.20.* up /gm)?.length ?? 0;
    assert.equal(Number(missing) + shown, 40);
  });

  test("says the same in colours", () => {
    const coloured = renderScreen(seen(BAD_DAY), at(80, 24, true));
    assert.ok(coloured.join("").includes("\x1b[31mdown"));
    assert.deepEqual(coloured.map(stripVTControlCharacters), renderScreen(seen(BAD_DAY), at(80, 24)));
  });

  test("says that nothing is known, and what was known last", () => {
    const problem = 'There is no "/run/mirror-agent/status.json": mirror-agent is not running here';
    const never = renderScreen({ status: null, problem }, at(80, 24));
    assert.match(never.join("\n"), /^There is no .*not running/);
    const last = renderScreen({ status: ORDINARY, problem }, at(80, 24)).join("\n");
    assert.match(last, /^There is no "\/run[\s\S]*\nWhat it said last:\n\n2 mirrors up\n/);
    const hung = renderScreen(seen(ORDINARY), { ...at(80, 24), nowMs: nowMs + 300_000 });
    assert.equal(hung[0], "This is 5 m old: mirror-agent is not running, or hangs");
  });
});

describe("renderStatus()", () => {
  for (const [name, status] of Object.entries(STATUSES)) {
    for (const [width] of SIZES) {
      test(`is as in the picture, and one screen: ${name} at ${width} columns`, (t) => {
        const lines = renderStatus(status, { colour: false, width, nowMs }).trimEnd().split("\n");
        assert.ok(lines.every((line) => line.length <= width));
        if (width >= 80 && name === "ordinary") assert.ok(lines.length < 24, `${lines.length} lines`);
        t.assert.fileSnapshot(lines, snapshot(`status-${name}-${width}.txt`), asText);
      });
    }
  }
});

/** What a terminal of VT100's kind shows after these bytes: positions, erasing to the end of a line, no wrapping. */
function show(screen: readonly string[], bytes: string, width: number): string[] {
  const rows = screen.map((line) => [...line.padEnd(width)]);
  let [row, column] = [0, 0];
  const colours = new RegExp(String.raw`${"\x1b"}\[[\d;]*m`, "g");
  const sequence = new RegExp(String.raw`${"\x1b"}\[(\d+);1H|${"\x1b"}\[K|[\s\S]`, "g");
  for (const [text, to] of bytes.replace(colours, "").matchAll(sequence)) {
    if (to !== undefined) [row, column] = [Number(to) - 1, 0];
    else if (text === "\x1b[K") rows[row]?.fill(" ", column);
    else {
      (rows[row] as string[])[column] = text;
      column = Math.min(column + 1, width - 1);
    }
  }
  return rows.map((line) => line.join("").trimEnd());
}

describe("renderChanges()", () => {
  const before = renderScreen(seen(ORDINARY), at(80, 24, true));
  const after = renderScreen(seen(BAD_DAY), at(80, 24, true));

  test("makes one screen of the other", () => {
    const shown = show(before.map(stripVTControlCharacters), renderChanges(before, after, 80), 80);
    assert.deepEqual(shown, after.map(stripVTControlCharacters));
  });

  test("keeps the last column of a line that fills the terminal", () => {
    const full = `${"x".repeat(79)}y`;
    assert.deepEqual(show(["old"], renderChanges(["old"], [full], 80), 80), [full]);
  });

  test("writes nothing where nothing changed, and one line where a measurement did", () => {
    assert.equal(renderChanges(after, after, 80), "");
    const endpoints = ORDINARY.endpoints.map((endpoint) => ({ ...endpoint, latencyMs: 3.1 }));
    const measured = renderScreen(
      seen({ ...ORDINARY, endpoints: [endpoints[0], ORDINARY.endpoints[1]] as never }),
      at(80, 24, true),
    );
    const bytes = renderChanges(before, measured, 80);
    assert.ok(bytes.includes("3.1 ms") && bytes.length < 120, `${bytes.length} bytes`);
  });

  test("writes nothing for a second that passes on a quiet node", () => {
    const later = renderScreen(seen(ORDINARY), { ...at(80, 24, true), nowMs: nowMs + 1000 });
    assert.equal(renderChanges(before, later, 80), "");
  });
});
