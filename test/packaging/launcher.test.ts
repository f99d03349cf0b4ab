// /usr/bin/mirror-agent, with a program of ours in place of Node.js that says what it was given.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createWorkspace } from "../lab/workspace.ts";

const LAUNCHER = join(import.meta.dirname, "../../packaging/files/usr/bin/mirror-agent");
const DAEMON = [
  ["run"],
  ["--config", "F", "run"],
  ["--config=F", "--root", "run", "run", "--log-format", "json"],
  ["--output", "json", "run"],
];
const OTHERS = [[], ["--version"], ["status"], ["--config", "run", "status"], ["help", "run"], ["--root=run", "plan"]];

test("the launcher gives every way to write `run` a Node.js without a compiler, and no other command", async () => {
  await using workspace = await createWorkspace();
  const { dir } = workspace;
  const script = readFileSync(LAUNCHER, "utf8").replace("lib=/usr/lib/mirror-agent", `lib=${dir}`);
  writeFileSync(`${dir}/mirror-agent`, script);
  writeFileSync(`${dir}/node`, '#!/bin/sh\nprintf "%s\\n" "NODE_OPTIONS=$NODE_OPTIONS" "$@"\n');
  chmodSync(`${dir}/node`, 0o755);
  const launch = (args: readonly string[]) =>
    execFileSync("sh", [`${dir}/mirror-agent`, ...args], { encoding: "utf8", env: { NODE_OPTIONS: "--require x" } });
  for (const args of [...DAEMON, ...OTHERS]) {
    const said = launch(args).trimEnd().split("\n");
    assert.equal(said.includes("--jitless"), DAEMON.includes(args), args.join(" "));
    assert.deepEqual(said.slice(said.indexOf(`${dir}/main.mjs`) + 1), args);
    assert.equal(said[0], "NODE_OPTIONS=");
  }
});
