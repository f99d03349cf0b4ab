import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { FAULTS } from "./fault-words.ts";

const TEXT = readFileSync(new URL("../../docs/faults.md", import.meta.url), "utf8");

/** A fault's section, and in it each program's output, with lines that were wrapped put together again. */
function readSection(title: string): Readonly<Record<"explain" | "doctor" | "journal", string>> {
  const section = TEXT.split("\n## ").find((text) => text.startsWith(`${title}\n`)) ?? "";
  const [, explain = "", , doctor = "", , journal = ""] = section.split("```");
  const join = (text: string): string => text.replaceAll(/\n {2,}(?=[^ ])/g, " ");
  return { explain: `${explain}\n${join(explain)}`, doctor: join(doctor), journal: join(journal) };
}

describe("docs/faults.md", () => {
  for (const { title, mend, ...words } of FAULTS) {
    test(`shows how one sees it: ${title}`, () => {
      const section = readSection(title);
      for (const kind of ["explain", "doctor", "journal"] as const) {
        const pattern = words[kind];
        if (pattern !== null) assert.match(section[kind], pattern, kind);
      }
      assert.ok(TEXT.includes(`\n${mend}\n`), "and what to do");
    });
  }

  test("shows nothing of the machine it was made on", () => {
    assert.doesNotMatch(TEXT, /127\.0\.0\.1|\/tmp\/|\.test\b|lab\//);
  });
});
