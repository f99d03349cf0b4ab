// A real terminal to run a program in: a pane of a tmux server of its own. What the program writes is counted, what
// the terminal shows is read, and it can be resized.

import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PATIENCE_MS, startDaemon } from "./daemon.ts";
import type { Workspace } from "./workspace.ts";

export interface Pane {
  /** What the terminal shows, without colours. */
  show(): string;
  /** The same with its colours, as escape sequences. */
  showColours(): string;
  /** What it shows, once `wanted` holds for it. */
  until(wanted: RegExp | ((screen: string) => boolean), options?: { timeoutMs?: number }): Promise<string>;
  /** Like a hand on the keyboard: "q", "C-c". */
  type(key: string): void;
  resize(width: number, height: number): void;
  /** A format of tmux(1): "#{alternate_on}". */
  ask(format: string): string;
  /** How many bytes were written to it so far, once no more come: what is shown may be counted a moment later. */
  written(): Promise<number>;
  /** What was written since there were so many bytes. */
  bytesSince(start: number): Promise<string>;
}

/** For the `skip` option of a test: false, or why there is no terminal. */
export function paneMissing(): string | false {
  return existsSync("/usr/bin/tmux") ? false : "needs tmux, run scripts/setup";
}

const LOOK_MS = 50;
/** So many looks later there is nothing more on its way. */
const SETTLED_LOOKS = 6;

/** Runs `script` with sh in a terminal of 80×24, which stays when it has ended. */
export async function startPane(
  workspace: Workspace,
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Pane> {
  const [socket, log, go] = ["tmux.sock", "tmux.out", "tmux.go"].map((name) => join(workspace.dir, name));
  const tmux = (...args: readonly string[]): string =>
    execFileSync("tmux", ["-S", socket as string, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const server = await startDaemon(["tmux", "-S", socket as string, "-f", "/dev/null", "-D"]);
  workspace.onEnd(() => server.kill());
  await untilTrue(
    () => existsSync(socket as string),
    () => server.lines.join("\n"),
  );
  // The program waits for the pipe that counts what it writes.
  const waiting = `while [ ! -e ${go} ]; do sleep 0.02; done\n${script}\nexec cat`;
  const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  tmux("new-session", "-d", "-x", "80", "-y", "24", ...variables, "sh", "-c", waiting);
  tmux("set-option", "-g", "status", "off");
  tmux("resize-window", "-x", "80", "-y", "24");
  tmux("pipe-pane", "-o", `cat >${log}`);
  await untilTrue(
    () => existsSync(log as string),
    () => "The pipe does not begin",
  );
  await workspace.file("tmux.go", "");
  const show = () => tmux("capture-pane", "-p");
  return {
    show,
    showColours: () => tmux("capture-pane", "-p", "-e"),
    async until(wanted, { timeoutMs = PATIENCE_MS } = {}) {
      const holds = (): boolean => (wanted instanceof RegExp ? wanted.test(show()) : wanted(show()));
      await untilTrue(holds, () => `The terminal does not show ${wanted}:\n${show()}`, timeoutMs);
      return show();
    },
    type: (key) => void tmux("send-keys", key),
    resize: (width, height) => void tmux("resize-window", "-x", `${width}`, "-y", `${height}`),
    ask: (format) => tmux("display-message", "-p", format).trim(),
    async written() {
      const sizes: number[] = [];
      const isSettled = (): boolean => {
        sizes.unshift(statSync(log as string).size);
        return sizes[0] === sizes[SETTLED_LOOKS];
      };
      await untilTrue(isSettled, () => `More and more is written: ${sizes}`);
      return sizes[0] ?? 0;
    },
    bytesSince: async (start) => (await readFile(log as string)).subarray(start).toString(),
  };
}

/** A terminal says nothing of itself when it changes: it is looked at again and again. */
async function untilTrue(holds: () => boolean, describe: () => string, timeoutMs = PATIENCE_MS): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > endsAt) throw new Error(describe());
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
