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
