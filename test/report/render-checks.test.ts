import assert from "node:assert/strict";
import { test } from "node:test";
import { fail, ok, warn } from "../../src/core/doctor/check.ts";
import { renderChecks } from "../../src/report/render-checks.ts";

test("renderChecks() shows each check, its mend below it, and counts what is wrong", () => {
  const checks = [
    ok("config", "it is valid"),
    warn("space", "little\nis left", "remove images"),
    fail("agent", "gone", "start it"),
  ];
  assert.equal(
    renderChecks(checks, { colour: false }),
    `ok   config       it is valid
warn space        little\\nis left
                  → remove images
fail agent        gone
                  → start it

1 check fails, 1 warning
`,
  );
  assert.match(renderChecks([ok("config", "it is valid")], { colour: false }), /\n\nNothing is wrong\n$/);
});

test("renderChecks() keeps within a terminal's width, mends below what was found", () => {
  const found = "something is the matter with https://172.18.0.20:5000/v2/team-a, and it takes long to say";
  const lines = renderChecks([fail("endpoint", found, `mend ${found}`)], { colour: false, width: 60 }).split("\n");
  assert.ok(lines.every((line) => line.length <= 60));
  assert.ok(lines.slice(1, -3).every((line) => line.startsWith(" ".repeat(18))));
});
