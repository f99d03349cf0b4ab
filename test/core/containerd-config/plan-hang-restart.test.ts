import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedContainerd, RunningDaemon } from "../../../src/core/containerd-config/observed-containerd.ts";
import { type HangRestartContext, planHangRestart } from "../../../src/core/containerd-config/plan-hang-restart.ts";

const MINUTE = 60_000;

const DAEMON: RunningDaemon = {
  identity: "boot:1:1",
  pid: 1,
  startedAtMs: 0,
  version: null,
  unit: { name: "containerd.service", killMode: "process" },
  workingFolder: "/",
  criProblem: null,
};

const CONTEXT: HangRestartContext = {
  takeover: { kind: "settled", because: "the running containerd has loaded it" },
  lastRestartAtMs: null,
  nowMs: 100 * MINUTE,
};

function plan(daemon: Partial<RunningDaemon> | null, context: Partial<HangRestartContext> = {}): string {
  const observed = { daemon: daemon && { ...DAEMON, ...daemon } } as ObservedContainerd;
  const planned = planHangRestart(observed, { ...CONTEXT, ...context });
  return planned.kind === "restart" ? `restart ${planned.daemon}` : planned.because;
}

test("planHangRestart() restarts a containerd that is well and was not restarted lately", () => {
  assert.equal(plan({}), "restart boot:1:1");
  assert.equal(plan({ unit: null }), "restart boot:1:1");
  assert.equal(plan({}, { lastRestartAtMs: 90 * MINUTE }), "restart boot:1:1");
});

const refused = { kind: "refused", because: "registry.mirrors is set", mend: "" } as const;

const REFUSALS: readonly (readonly [string, Partial<RunningDaemon> | null, Partial<HangRestartContext>, RegExp])[] = [
  ["does not run", null, {}, /^containerd does not run$/],
  ["was restarted nine minutes ago", {}, { lastRestartAtMs: 90 * MINUTE + 1 }, /less than ten minutes ago/],
  [
    "has a clock that was set back since its restart",
    {},
    { lastRestartAtMs: 105 * MINUTE },
    /less than ten minutes ago/,
  ],
  [
    "would end its containers",
    { unit: { name: "c.service", killMode: "control-group" } },
    {},
    /KillMode=control-group/,
  ],
  [
    "has a CRI that does not answer",
    { criProblem: "no runtime" },
    {},
    /^the CRI does not answer as it is: no runtime$/,
  ],
  [
    "is about to be taken over, or cannot be",
    {},
    { takeover: refused },
    /^its configuration .* registry.mirrors is set$/,
  ],
];

for (const [name, daemon, context, expected] of REFUSALS) {
  test(`planHangRestart() leaves alone a containerd that ${name}`, () => assert.match(plan(daemon, context), expected));
}
