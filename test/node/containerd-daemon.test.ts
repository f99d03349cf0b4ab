// The daemon behind a socket, found by who listens there: here a Node process that is called containerd.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { findDaemon, findIdentity } from "../../src/node/containerd-daemon.ts";

const signal = new AbortController().signal;

// Node gives its main thread a name of its own.
const LISTEN = `require("node:fs").writeFileSync("/proc/self/comm", "containerd");
require("node:net").createServer().listen(process.argv[2], () => console.log("ready"));
`;

async function startListener(
  t: TestContext,
  args: readonly string[] = [],
): Promise<{ dir: string; socket: string; pid: number }> {
  const dir = await mkdtemp(join(tmpdir(), "mirror-agent-daemon-"));
  const socket = join(dir, "c.sock");
  await symlink(process.execPath, join(dir, "containerd"));
  await writeFile(join(dir, "listen.cjs"), LISTEN);
  const child = spawn(join(dir, "containerd"), [join(dir, "listen.cjs"), socket, ...args], { cwd: dir, stdio: "pipe" });
  t.after(async () => {
    child.kill("SIGKILL");
    await rm(dir, { recursive: true });
  });
  await once(child.stdout, "data");
  return { dir, socket, pid: child.pid ?? 0 };
}

test("findDaemon() finds the process that listens, with its program, arguments and folder", async (t) => {
  const first = await startListener(t, ["--log-level", "info", "--config", "/a/config.toml"]);
  const second = await startListener(t, ["-c=/b/config.toml"]);
  const found = await findDaemon(first.socket, signal);
  assert.ok(found);
  assert.deepEqual([found.pid, found.configPath, found.workingFolder], [first.pid, "/a/config.toml", first.dir]);
  assert.equal(found.unit, null);
  assert.ok(Math.abs(Date.now() - found.startedAtMs) < 20_000, `${found.startedAtMs}`);
  assert.equal((await findDaemon(second.socket, signal))?.configPath, "/b/config.toml");
});

test("findDaemon() takes the usual config.toml where none is named", async (t) => {
  const { socket } = await startListener(t);
  assert.equal((await findDaemon(socket, signal))?.configPath, "/etc/containerd/config.toml");
});

test("findDaemon() finds nobody at a socket that is not there", async () => {
  assert.equal(await findDaemon("/nowhere/containerd.sock", signal), null);
});

test("findDaemon() passes over a containerd that has ended and is still listed", async (t) => {
  await leaveZombie(t);
  const { socket, pid } = await startListener(t);
  assert.equal((await findDaemon(socket, signal))?.pid, pid);
});

// Its parent has become a program that asks for no child's end, before the child ends: a shell might have asked.
async function leaveZombie(t: TestContext): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "mirror-agent-daemon-"));
  await symlink("/bin/sleep", join(dir, "containerd"));
  const parent = spawn("sh", ["-c", '"$0" 60 & echo $!; exec sleep 60', join(dir, "containerd")], { stdio: "pipe" });
  t.after(async () => {
    parent.kill("SIGKILL");
    await rm(dir, { recursive: true });
  });
  const pid = Number(String((await once(parent.stdout, "data"))[0]));
  await untilStat(parent.pid ?? 0, /\(sleep\)/);
  await untilStat(pid, /\(containerd\)/);
  process.kill(pid, "SIGKILL");
  await untilStat(pid, /\(containerd\) Z/);
}

async function untilStat(pid: number, wanted: RegExp): Promise<void> {
  while (!wanted.test(await readFile(`/proc/${pid}/stat`, "utf8"))) await delay(5);
}

test("findIdentity() stays the same for a process, and differs between two", async (t) => {
  const [first, second] = [await startListener(t), await startListener(t)];
  assert.equal(await findIdentity(first.socket), await findIdentity(first.socket));
  assert.notEqual(await findIdentity(first.socket), await findIdentity(second.socket));
  assert.equal(await findIdentity(first.socket), (await findDaemon(first.socket, signal))?.identity);
});
