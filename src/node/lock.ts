// Keeps two writers (`run` and `apply`, two daemons) from writing at once. The lock is flock(2), which
// Node does not have. It belongs to the open file, not to the process that asked: util-linux's flock
// takes it on a descriptor that it inherits from us and ends, and it stays with ours. The kernel frees
// it however we end, so a crash leaves nothing behind that somebody would have to remove by hand.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { text } from "node:stream/consumers";

export interface Lock extends AsyncDisposable {
  /** Frees the lock; a second call does nothing. */
  release(): void;
}

export interface LockOptions {
  /** How long to wait for another holder; 0 fails at once. */
  readonly waitMs: number;
  /** Who we are, for whoever finds the lock taken: `mirror-agent run, pid 4711`. */
  readonly holder: string;
  readonly signal: AbortSignal;
}

/** The lock cannot be had; `heldBy` is what its holder said of itself, null if nobody holds it. */
export class LockError extends Error {
  override readonly name = "LockError";
  readonly heldBy: string | null;

  constructor(message: string, heldBy: string | null, options?: ErrorOptions) {
    super(message, options);
    this.heldBy = heldBy;
  }
}

/** Takes the lock at `path`, whose folder must exist. Fails with LockError, or as `signal` was aborted. */
export async function acquireLock(path: string, options: LockOptions): Promise<Lock> {
  const deadlineMs = performance.now() + options.waitMs;
  for (;;) {
    const fd = openLockFile(path);
    try {
      await flock(fd, { path, waitMs: Math.max(0, deadlineMs - performance.now()), signal: options.signal });
      if (isAt(fd, path)) return holdLock(fd, options.holder);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    // Somebody removed the file while we waited (systemd empties a RuntimeDirectory when its unit
    // stops): ours is the lock of a file that nobody else can open.
    closeSync(fd);
  }
}

// A number, not a FileHandle: Node closes a handle that is garbage-collected, and the lock with it.
function openLockFile(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw new LockError(`Cannot open the lock file "${path}": ${(error as Error).message}`, null, { cause: error });
  }
}

function holdLock(fd: number, holder: string): Lock {
  ftruncateSync(fd, 0);
  writeSync(fd, `${holder}\n`, 0);
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    ftruncateSync(fd, 0);
    closeSync(fd);
  };
  return { release, [Symbol.asyncDispose]: async () => release() };
}

interface FlockOptions {
  readonly path: string;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

const HELD_BY_ANOTHER = 9;
const THE_LOCK_FILE = "3";

async function flock(fd: number, { path, waitMs, signal }: FlockOptions): Promise<void> {
  signal.throwIfAborted();
  // node:child_process where the rest uses execa: the daemon holds a lock all its life, and execa
  // alone is 9 MiB of private memory and 0.2 s at the start.
  const args = ["-x", "-E", String(HELD_BY_ANOTHER), "-w", (waitMs / 1000).toFixed(3), THE_LOCK_FILE];
  const child = spawn("flock", args, { stdio: ["ignore", "ignore", "pipe", fd], signal });
  const closed = once(child, "close");
  const [stderr, [code]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), closed]).catch((cause) => {
    signal.throwIfAborted();
    throw new LockError(`Cannot lock "${path}": the flock command of util-linux does not run`, null, { cause });
  });
  if (code === 0) return;
  if (code !== HELD_BY_ANOTHER)
    throw new LockError(`Cannot lock "${path}": ${stderr.trim() || `flock ended with ${code}`}`, null);
  const heldBy = readFileSync(path, "utf8").trim() || "another process";
  throw new LockError(`Cannot lock "${path}": it is held by ${heldBy}; stop that, or wait until it is done`, heldBy);
}

function isAt(fd: number, path: string): boolean {
  const here = statSync(path, { throwIfNoEntry: false });
  const ours = fstatSync(fd);
  return here !== undefined && here.ino === ours.ino && here.dev === ours.dev;
}
