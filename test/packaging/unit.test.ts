// The sandbox that the unit asks for, as systemd-analyze scores it: 0 is all closed, 10 all open.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createWorkspace } from "../lab/workspace.ts";

const SYSTEMD = join(import.meta.dirname, "../../systemd");
const missing = spawnSync("systemd-analyze", ["--version"]).error ? "needs systemd-analyze" : false;

test("the unit's exposure is 1.8, and 2.0 as installed, with freeing pulls", { skip: missing }, async () => {
  await using workspace = await createWorkspace();
  const units = join(workspace.dir, "etc/systemd/system");
  mkdirSync(units, { recursive: true });
  const score = (): number => {
    const args = ["security", "--offline=true", `--root=${workspace.dir}`, "--no-pager", "mirror-agent.service"];
    const said = execFileSync("systemd-analyze", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return Number(/exposure level for mirror-agent.service: ([\d.]+)/.exec(said)?.[1]);
  };
  cpSync(join(SYSTEMD, "mirror-agent.service"), join(units, "mirror-agent.service"));
  assert.ok(score() <= 1.8, `${score()}`);
  cpSync(join(SYSTEMD, "mirror-agent.service.d"), join(units, "mirror-agent.service.d"), { recursive: true });
  assert.ok(score() <= 2, `${score()}`);
});
