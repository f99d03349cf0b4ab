import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change, TakeoverPlan } from "../../src/core/containerd-config/plan-takeover.ts";
import { renderPlan } from "../../src/report/plan-text.ts";
import { entriesOfTakeover, renderTakeover, summariseTakeover } from "../../src/report/render-takeover.ts";

const CHANGE: Change = {
  kind: "change",
  because: "config_path is not set",
  edit: {
    path: "/c.toml",
    oldText: 'password = "hunter2"\n',
    newText: 'password = "hunter2"\nconfig_path = "/certs.d"\n',
    undo: null,
    drops: [],
    auths: [],
    isRestore: false,
  },
  restart: "now",
  daemon: "b:1:1",
  key: "k",
  wanted: "/certs.d",
  auths: {},
};
const REFUSED = { kind: "refused", because: "k3s writes\u001bit", mend: "use its file" } as const;
const plain = { colour: false };

const ROWS: readonly (readonly [TakeoverPlan, string])[] = [
  [CHANGE, "Restart containerd: config_path is not set\n"],
  [{ ...CHANGE, restart: "owed" }, "Restart owed, which is left to you: config_path is not set\n"],
  [{ ...CHANGE, restart: "none" }, ""],
  [{ kind: "settled", because: "it is well" }, ""],
];

for (const [plan, line] of ROWS) {
  const name = plan.kind === "change" ? `restart: ${plan.restart}` : plan.kind;
  test(`renderTakeover() of ${name} is ${JSON.stringify(line)}`, () => assert.equal(renderTakeover(plan, plain), line));
}

test("renderTakeover() says why containerd is left alone and what mends it, without control characters", () => {
  const text = renderTakeover(REFUSED, plain);
  assert.match(text, /^containerd's configuration stays as it is: k3s writes.*it; use its file\n$/);
  assert.ok(!text.includes("\u001b"));
});

test("entriesOfTakeover() shows the edit as a diff without the secrets of config.toml", () => {
  const text = renderPlan(entriesOfTakeover(CHANGE), plain);
  assert.match(text, /^\+config_path = "\/certs\.d"$/m);
  assert.doesNotMatch(text, /hunter2/);
  assert.deepEqual(entriesOfTakeover({ ...CHANGE, edit: null }), []);
});

test("summariseTakeover() has no text of config.toml in it", () => {
  const { because, edit, restart } = CHANGE;
  assert.deepEqual(summariseTakeover(CHANGE), { kind: "change", because, mend: null, path: edit?.path, restart });
  assert.deepEqual(summariseTakeover(REFUSED), { ...REFUSED, path: null, restart: "none" });
});
