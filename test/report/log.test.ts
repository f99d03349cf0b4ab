import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chooseLogPrefix, createLog, type LogOptions } from "../../src/report/log.ts";

function record(options: Partial<LogOptions>): { lines: string[]; log: ReturnType<typeof createLog> } {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, log: createLog({ format: "text", level: "info", prefix: "none", destination, ...options }) };
}

test("createLog() writes lines with the journal's priorities", () => {
  const { lines, log } = record({ prefix: "priority", level: "debug" });
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  log.event({ kind: "driftRepaired", path: "/a" });
  assert.deepEqual(lines, ["<7>d\n", "<6>i\n", "<4>w\n", "<3>e\n", "<4>Repaired /a: something else had changed it\n"]);
});

test("createLog() writes nothing below its level, which can be changed", () => {
  const { lines, log } = record({ level: "warn" });
  log.info("a");
  log.event({ kind: "reloadAsked" });
  log.setLevel("debug");
  log.debug("b");
  assert.deepEqual(lines, ["b\n"]);
});

test("createLog() writes the time and what is wrong for a terminal", () => {
  const { lines, log } = record({ prefix: "time" });
  log.info("a");
  log.warn("b");
  assert.match(lines.join(""), /^\d\d:\d\d:\d\d a\n\d\d:\d\d:\d\d warn: b\n$/);
});

test("createLog() never lets a message make a second line", () => {
  const { lines, log } = record({ prefix: "priority" });
  log.info("a\n<0>b\x1b[2J");
  assert.deepEqual(lines, ["<6>a\\n<0>b\\x1b[2J\n"]);
});

test("createLog() writes JSON with what a machine looks for", () => {
  const { lines, log } = record({ format: "json" });
  const transition = { to: "up", atMs: 0, lastedMs: 1000 } as const;
  log.event({ kind: "endpointChanged", endpoint: { role: "mirror", url: "https://m" }, transition, decisions: [] });
  const { time, ...rest } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.equal(new Date(String(time)).toISOString(), time);
  assert.deepEqual(rest, {
    level: "info",
    event: "endpointChanged",
    endpoint: "https://m",
    role: "mirror",
    state: "up",
    reason: null,
    lastedMs: 1000,
    message: "Mirror https://m is up again after 1 s down",
  });
});

test("chooseLogPrefix() knows the journal's socket, a terminal and a pipe", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "log-"));
  const fd = openSync(join(folder, "out"), "w");
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const { dev, ino } = fstatSync(fd);
  assert.equal(chooseLogPrefix(fd, { journalStream: `${dev}:${ino}`, isTerminal: false }), "priority");
  assert.equal(chooseLogPrefix(fd, { journalStream: "8:1", isTerminal: true }), "time");
  assert.equal(chooseLogPrefix(fd, { journalStream: undefined, isTerminal: false }), "none");
});

const SCRIPT = `
  import { createLog, openLogDestination } from ${JSON.stringify(new URL("../../src/report/log.ts", import.meta.url).href)};
  const log = createLog({ format: "text", level: "info", prefix: "none", destination: openLogDestination(1) });
`;

test("openLogDestination() loses no line at an exit", () => {
  const script = `${SCRIPT} for (let i = 0; i < 5000; i++) log.info("line " + i); process.exit(3);`;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
  });
  assert.equal(status, 3);
  assert.equal(stdout.trim().split("\n").at(-1), "line 4999");
});

test("openLogDestination() survives that nobody reads any more", async () => {
  const script = `${SCRIPT}
    log.info("first");
    process.once("message", () => {
      for (let i = 0; i < 100; i++) log.info("into the void");
      setImmediate(() => process.send("alive", () => process.exit(0)));
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  child.stdout.destroy();
  await once(child.stdout, "close");
  child.send("go on");
  const [[message]] = await Promise.all([once(child, "message"), once(child, "exit")]);
  assert.equal(message, "alive");
  assert.equal(child.exitCode, 0);
});
