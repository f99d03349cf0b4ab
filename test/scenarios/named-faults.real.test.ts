// The reading test: whoever reads `explain`, `doctor` or the journal can name the fault without knowing it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { renderExplanation } from "../../src/report/render-explanation.ts";
import { labMissing } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { lookAtFaults } from "./fault-looks.ts";

test("explain, doctor and the journal name each fault of a mirror in words", {
  skip: labMissing(),
  timeout: 400_000,
}, async () => {
  await using workspace = await createWorkspace();
  const unnamed: string[] = [];
  for (const { fault, explanation, checks, journal } of await lookAtFaults(workspace)) {
    const said = {
      explain: renderExplanation(explanation, { colour: false, nowMs: Date.now(), notes: explanation.agent }),
      doctor: checks
        .filter(({ state }) => state !== "ok")
        .map(({ found }) => found)
        .join("\n"),
      journal: journal ?? "",
    };
    for (const kind of ["explain", "doctor", "journal"] as const) {
      const words = fault[kind];
      if (words !== null && !words.test(said[kind])) unnamed.push(`${fault.name}, ${kind}:\n${said[kind]}`);
    }
    const mends = checks.filter(({ state, mend }) => state !== "ok" && mend === null);
    assert.deepEqual(mends, [], `${fault.name}: each finding of doctor has its mend`);
  }
  assert.deepEqual(unnamed, []);
});
