import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { acquireLock, LockError } from "../../src/node/lock.ts";

const folder = mkdtempSync(join(tmpdir(), "lock-"));
after(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;
const patient = { waitMs: 20_000, holder: "mirror-agent apply, pid 2", signal: never };
const hasty = { ...patient, waitMs: 0 };

const HOLDER = `
  import { acquireLock } from ${JSON.stringify(new URL("../../src/node/lock.ts", import.meta.url).href)};
  const signal = new AbortController().signal;
  await acquireLock(process.argv[1], { waitMs: 20_000, holder: "mirror-agent run, pid " + process.pid, signal });
  process.send("held");
  setInterval(() => {}, 1e6);
`;

async function startHolder(path: string): Promise<ChildProcess> {
  const args = ["--input-type=module", "--eval", HOLDER, path];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(child, "message");
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("acquireLock() excludes another process and says who holds the lock", async () => {
  const path = join(folder, "excludes");
  const child = await startHolder(path);
  const heldBy = `mirror-agent run, pid ${child.pid}`;
  await assert.rejects(acquireLock(path, hasty), (error) => {
    assert.ok(error instanceof LockError);
    assert.equal(error.heldBy, heldBy);
    assert.equal(error.message, `Cannot lock "${path}": it is held by ${heldBy}; stop that, or wait until it is done`);
    return true;
  });
  await stop(child);
});

test("acquireLock() gets the lock of a process that was killed while it waits", async () => {
  const path = join(folder, "killed");
  const child = await startHolder(path);
  const waiting = acquireLock(path, patient);
  await stop(child);
  const lock = await waiting;
  assert.equal(readFileSync(path, "utf8"), "mirror-agent apply, pid 2\n");
  lock.release();
});

test("acquireLock() excludes a second holder in the same process, until release()", async () => {
  const path = join(folder, "same");
  {
    await using _held = await acquireLock(path, hasty);
    await assert.rejects(acquireLock(path, hasty), LockError);
  }
  const lock = await acquireLock(path, hasty);
  lock.release();
  lock.release();
  (await acquireLock(path, hasty)).release();
  assert.equal(readFileSync(path, "utf8"), "");
});

test("acquireLock() holds a lock that programs started meanwhile do not inherit", async () => {
  const path = join(folder, "inherit");
  const lock = await acquireLock(path, hasty);
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  await once(child, "spawn");
  assert.ok(!openFiles(child.pid).includes(path));
  lock.release();
  (await acquireLock(path, hasty)).release();
  await stop(child);
});

/** Without those that it closes meanwhile: a program that begins opens its libraries. */
function openFiles(pid = 0): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

test("acquireLock() notices that the file was removed while it waited", async () => {
  const path = join(folder, "removed");
  const first = await acquireLock(path, hasty);
  const waiting = acquireLock(path, patient);
  rmSync(path);
  writeFileSync(path, "");
  first.release();
  const lock = await waiting;
  await assert.rejects(acquireLock(path, hasty), LockError);
  lock.release();
});

test("acquireLock() stops waiting when it is aborted", async () => {
  const path = join(folder, "aborted");
  const first = await acquireLock(path, hasty);
  const abort = new AbortController();
  const waiting = acquireLock(path, { ...patient, signal: abort.signal });
  abort.abort(new Error("stopping"));
  await assert.rejects(waiting, { message: "stopping" });
  first.release();
});

test("acquireLock() names the file it cannot open", async () => {
  const path = join(folder, "missing", "lock");
  await assert.rejects(acquireLock(path, hasty), {
    name: "LockError",
    heldBy: null,
    message: /^Cannot open the lock file/,
  });
});

test("acquireLock() makes a lock file that only its owner reads", async () => {
  const path = join(folder, "mode");
  (await acquireLock(path, hasty)).release();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});
