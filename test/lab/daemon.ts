// Runs a program of another project beside a test: its output is kept, and it cannot outlive the test.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

export interface Daemon {
  readonly pid: number;
  /** Every line of standard output and standard error so far. */
  readonly lines: readonly string[];
  /** The first line, also of those in the past, for which `wanted` returns something; that is returned. */
  waitForLine<T>(wanted: (line: string) => T | undefined | null, options?: { timeoutMs?: number }): Promise<T>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, after 5 s SIGKILL; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Exit code or the signal that ended it, once its last line is among `lines`; pending while it runs. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

export interface DaemonOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Mounts in a namespace of its own, so that what it leaves mounted goes with it. */
  readonly ownMounts?: boolean;
  readonly onLine?: (line: string) => void;
}

/** How long anything is waited for that no test is about: what takes two seconds takes ten on a busy machine. */
export const PATIENCE_MS = 30_000;

/** Resolves once it was started, rejects if there is no such program. */
export async function startDaemon(command: readonly string[], options: DaemonOptions = {}): Promise<Daemon> {
  // A test that is killed runs no clean-up: the kernel ends the daemon when its parent is gone.
  const guarded = ["--pdeathsig", "KILL", ...(options.ownMounts ? ["unshare", "--mount"] : []), ...command];
  const child = spawn("setpriv", guarded, {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  await once(child, "spawn");
  return daemonOf(child, command[0] ?? "", options.onLine);
}

function daemonOf(child: ChildProcess, name: string, onLine: DaemonOptions["onLine"]): Daemon {
  const lines: string[] = [];
  const watchers = new Set<(line: string) => void>(onLine && [onLine]);
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const watch of [...watchers]) watch(line);
    });
  }
  const ended = untilEnded(child);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    const force = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(force);
  };

  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    signal: (signal) => void child.kill(signal),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    waitForLine(wanted, { timeoutMs = PATIENCE_MS } = {}) {
      const { promise, resolve, reject } = Promise.withResolvers<NonNullable<ReturnType<typeof wanted>>>();
      const watch = (line: string) => {
        const found = wanted(line);
        if (found) resolve(found);
      };
      const fail = (what: string) => reject(new Error(`"${name}" ${what}; it said:\n${lines.slice(-20).join("\n")}`));
      const timer = setTimeout(() => fail(`did not say what was waited for within ${timeoutMs} ms`), timeoutMs);
      ended.then((code) => fail(`ended with ${code}`));
      watchers.add(watch);
      lines.forEach(watch);
      return promise.finally(() => {
        clearTimeout(timer);
        watchers.delete(watch);
      });
    },
  };
}

// Its last lines may come after its end; a process that it left behind may keep its output open.
async function untilEnded(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const closed = once(child, "close");
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  await Promise.race([closed, delay(1000, null, { ref: false })]);
  return code ?? signal ?? 0;
}
