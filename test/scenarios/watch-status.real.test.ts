// `status --watch` in a real terminal: what it shows at each size, what it writes, and that it leaves the terminal as
// it was, however it ends.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Status } from "../../src/report/status.ts";
import { startAgent } from "../lab/agent.ts";
import { startDaemon } from "../lab/daemon.ts";
import { startFaultyServer } from "../lab/faulty-server.ts";
import { type Pane, paneMissing, startPane } from "../lab/pane.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { BAD_DAY, NOW, ORDINARY } from "../report/statuses.ts";

const skip = paneMissing();
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

const laterThanSamples = (): number => Date.now() - Date.parse(NOW);

/** Writes a status as the daemon does: whole, and as fresh as the sample was, or with all its times so much later. */
async function publish(workspace: Workspace, status: object, laterMs = laterThanSamples()): Promise<void> {
  const path = join(workspace.dir, "run/mirror-agent/status.json");
  await mkdir(dirname(path), { recursive: true });
  const later = (at: string): string => new Date(Date.parse(at) + laterMs).toISOString();
  await writeFile(`${path}.new`, JSON.stringify(status).replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, later));
  await rename(`${path}.new`, path);
}

const command = (workspace: Workspace, ...args: readonly string[]): readonly string[] => [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  MAIN,
  "--root",
  workspace.dir,
  ...args,
];

/** Runs the live view in a terminal, with what the terminal's settings were before and after in two files. */
async function watchIn(workspace: Workspace, env: Readonly<Record<string, string>> = {}): Promise<Pane> {
  const line = command(workspace, "status", "--watch").map((word) => `'${word}'`);
  const script = `cd ${workspace.dir}; stty -g >before; echo before; ${line.join(" ")} 2>err; code=$?; stty -g >after; echo "ended with $code"`;
  return startPane(workspace, script, { ...env });
}

/** The program in the terminal: the child of the shell that tmux started. */
function pidIn(pane: Pane): number {
  const shell = pane.ask("#{pane_pid}");
  return Number(execFileSync("cat", [`/proc/${shell}/task/${shell}/children`], { encoding: "utf8" }).trim());
}

/** Whether the alternate screen is on, the cursor shown, lines wrapped. */
const MODES = "#{alternate_on} #{cursor_flag} #{wrap_flag}";

async function assertRestored(workspace: Workspace, pane: Pane): Promise<void> {
  const screen = await pane.until(/ended with/);
  assert.match(screen, /^before\nended with \d+\n/);
  assert.equal(pane.ask(MODES), "0 1 1");
  const settings = (name: string) => readFile(join(workspace.dir, name), "utf8");
  assert.equal(await settings("after"), await settings("before"));
}

describe("status --watch", { concurrency: 2 }, () => {
  test("shows what changes, at every size of the terminal, and q leaves the terminal as it was", { skip }, async () => {
    await using workspace = await createWorkspace();
    await publish(workspace, ORDINARY);
    const pane = await watchIn(workspace);
    const first = await pane.until(/q quits/);
    assert.match(first, /^2 mirrors up\n/);
    assert.equal(pane.ask(MODES), "1 0 0");

    pane.resize(60, 20);
    await pane.until((screen) => /\n {12}.*ago\n/.test(screen) && /q quits\n$/.test(screen));
    assert.ok(
      pane
        .show()
        .split("\n")
        .every((line) => line.length <= 60),
    );
    pane.resize(120, 30);
    const wide = await pane.until(/https:\/\/registry-mirror-01\.frankfurt\.example\.com:5000\/v2\/platform-team +up/);
    assert.equal(wide.split("\n").length, 31);
    pane.resize(80, 24);
    await pane.until(/registry-mirror-01\.frankfurt\.exam[a-z.]*…\/v2\/platform-team +up/);

    await publish(workspace, BAD_DAY);
    await pane.until(/\ndocker\.io +https:\/\/registry-1\.docker\.io \(failed over\)\n/);
    assert.match(pane.show(), /registry-mirror-01.* down .*response-timeout\n/);
    await rm(join(workspace.dir, "run"), { recursive: true });
    await pane.until(/mirror-agent is not running here[\s\S]*What it said last:/);
    await publish(workspace, ORDINARY);
    await pane.until(/^2 mirrors up\n/);

    pane.type("q");
    await assertRestored(workspace, pane);
  });

  test("shows a daemon's mirror fall and come back, and that the daemon has gone", { skip }, async () => {
    await using workspace = await createWorkspace();
    // The port of a server that refuses is free for others: on an address of its own it stays so.
    const [mirror, upstream] = [await startFaultyServer({ host: "127.0.0.2" }), await startFaultyServer()];
    workspace.onEnd(() => mirror.close());
    workspace.onEnd(() => upstream.close());
    const agentOf = `{ probe: { interval: 500ms, timeout: 500ms }, upstreams: { gcr.io: { endpoint: "${upstream.url}" } } }`;
    const config = `registryMirrors: [{ endpoint: "${mirror.url}" }]\nagent: ${agentOf}\n`;
    const agent = await startAgent(workspace, { root: workspace.dir, config });
    const pane = await watchIn(workspace);
    await pane.until(/^1 mirror up\n/);
    await mirror.become("refused");
    await pane.until(/^0 mirrors up, 1 down\ngcr\.io fails over to upstream/);
    await pane.until(/\d\d:\d\d:\d\d +http:\/\/127\.0\.0\.2:\d+ +down: refused, after \d+ \w+ up/);
    await mirror.become("healthy");
    await pane.until(/\d\d:\d\d:\d\d +http:\/\/127\.0\.0\.2:\d+ +up after \d+ \w+ down/, { timeoutMs: 60_000 });
    agent.signal("SIGTERM");
    await agent.ended;
    await rm(join(workspace.dir, "run/mirror-agent/status.json"));
    await pane.until(/mirror-agent is not running here/);
    pane.type("q");
    await assertRestored(workspace, pane);
  });

  test("writes only the lines that change", { skip }, async (t) => {
    await using workspace = await createWorkspace();
    await publish(workspace, ORDINARY);
    const pane = await watchIn(workspace);
    await pane.until(/q quits/);
    const first = await pane.written();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(await pane.written(), first, "nothing happens, nothing is written");

    const [mirror, ...others] = ORDINARY.endpoints as [Status["endpoints"][number]];
    await publish(workspace, { ...ORDINARY, endpoints: [{ ...mirror, latencyMs: 7.7 }, ...others] });
    await pane.until(/7\.7 ms/);
    const measured = await pane.bytesSince(first);
    // Now and then the time that something has lasted is another line that changes.
    assert.ok(measured.length < 600, `${measured.length} bytes for a measurement`);

    const before = await pane.written();
    await publish(workspace, BAD_DAY);
    await pane.until(/failed over/);
    const changed = await pane.bytesSince(before);
    assert.ok(changed.length < 2500, `${changed.length} bytes for a screen on which everything changed`);
    assert.ok(!changed.includes("\x1b[2J") && !changed.includes("\x1b[J"), "the screen is never cleared");
    t.diagnostic(`bytes: first screen ${first}, a measurement ${measured.length}, a bad day ${changed.length}`);
    pane.type("q");
    await assertRestored(workspace, pane);
  });

  const ENDS: Readonly<Record<string, (pane: Pane, workspace: Workspace) => unknown>> = {
    "ctrl-c": (pane) => pane.type("C-c"),
    SIGTERM: (pane) => process.kill(pidIn(pane), "SIGTERM"),
    SIGHUP: (pane) => process.kill(pidIn(pane), "SIGHUP"),
    "a mistake in the program": (_, workspace) => publish(workspace, { schema: 1, endpoints: 5 }),
  };
  for (const [name, end] of Object.entries(ENDS)) {
    test(`leaves the terminal as it was after ${name}`, { skip }, async () => {
      await using workspace = await createWorkspace();
      await publish(workspace, ORDINARY);
      const pane = await watchIn(workspace);
      await pane.until(/q quits/);
      await end(pane, workspace);
      await assertRestored(workspace, pane);
    });
  }

  test("uses no colours with NO_COLOR, and no sequences at all with TERM=dumb", { skip }, async () => {
    await using workspace = await createWorkspace();
    await publish(workspace, BAD_DAY);
    const pane = await watchIn(workspace, { NO_COLOR: "1" });
    await pane.until(/q quits/);
    assert.doesNotMatch(await pane.bytesSince(0), new RegExp(String.raw`${"\x1b"}\[[\d;]*m`));
    pane.type("q");
    await assertRestored(workspace, pane);

    await using dumb = await createWorkspace();
    await publish(dumb, BAD_DAY);
    const line = command(dumb, "status", "--watch").map((word) => `'${word}'`);
    const plain = await startPane(dumb, `trap : INT; TERM=dumb ${line.join(" ")}; echo "ended with $?"`);
    await plain.until(/down: response-timeout/);
    assert.ok(!(await plain.bytesSince(0)).includes("\x1b"));
    plain.type("C-c");
    await plain.until(/ended with 0/);
  });

  test("prints to a pipe one block for each change, or one line of JSON, and no sequences", { skip }, async () => {
    await using workspace = await createWorkspace();
    const text = await startDaemon(command(workspace, "status", "--watch"), { env: { TERM: "xterm" } });
    workspace.onEnd(() => text.kill());
    const json = await startDaemon(command(workspace, "--output", "json", "status", "--watch"));
    workspace.onEnd(() => json.kill());
    await text.waitForLine((line) => /^There is no .*mirror-agent is not running here/.test(line));
    await json.waitForLine((line) => /^There is no .*mirror-agent is not running here/.test(line));
    const laterMs = laterThanSamples(); // another time is news
    await publish(workspace, ORDINARY, laterMs);
    await text.waitForLine((line) => line === "2 mirrors up");
    await json.waitForLine((line) => line.startsWith("{"));
    const slower = ORDINARY.endpoints.map((one) => ({ ...one, latencyMs: 99 }));
    await publish(workspace, { ...ORDINARY, endpoints: slower }, laterMs);
    await delay(200); // it may be seen alone
    await publish(workspace, BAD_DAY, laterMs);
    await text.waitForLine((line) => line === "1 mirror up, 1 down, 1 unknown");
    await json.waitForLine((line) => line.startsWith("{") && line.includes("response-timeout"));
    const statuses = json.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Status);
    assert.deepEqual(
      statuses.map(({ transitions }) => transitions?.length),
      [ORDINARY.transitions?.length, BAD_DAY.transitions?.length],
    );
    assert.equal(text.lines.filter((line) => /^\d{4}-\d\d-\d\dT/.test(line)).length, 3);
    assert.ok(![...text.lines, ...json.lines].join("").includes("\x1b"));
    for (const daemon of [text, json]) {
      daemon.signal("SIGINT");
      assert.equal(await daemon.ended, 0);
    }
  });
});
