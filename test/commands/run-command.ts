// Runs a command in this process as main.ts would, with streams that are kept.

import { PassThrough, Writable } from "node:stream";
import type { CommandContext } from "../../src/commands/context.ts";
import { runProgram } from "../../src/commands/program.ts";

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Answers to what is asked on a terminal, in order; makes all streams one. */
  readonly answers?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `env.HOME` should be a folder of the test: journals and Docker configs are looked for there. */
export async function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const kept = { code: 0, stdout: "", stderr: "" };
  const isTTY = options.answers !== undefined;
  const stdin = Object.assign(new PassThrough(), { isTTY });
  if (!isTTY) stdin.end(options.stdin ?? "");
  const answers = [...(options.answers ?? [])];
  const stdout = collect((text) => {
    kept.stdout += text;
  }, isTTY);
  const stderr = collect((text) => {
    kept.stderr += text;
    if (text.endsWith(": ") && answers.length > 0) setImmediate(() => stdin.write(`${answers.shift()}\n`));
  }, isTTY);
  const context: CommandContext = {
    env: options.env ?? {},
    stdin,
    stdout,
    stderr,
    signal: options.signal ?? new AbortController().signal,
    onHangup: () => undefined,
    pid: 1,
    nowMs: Date.now,
    exit: (code) => {
      kept.code = code;
    },
  };
  await runProgram(args, context);
  return kept;
}

/** Takes every piece at once: what was written last is there when the command has ended. */
function collect(keep: (text: string) => void, isTTY: boolean) {
  const write = (piece: unknown, _: unknown, done: () => void): void => {
    keep(String(piece));
    done();
  };
  return Object.assign(new Writable({ write, decodeStrings: false }), { isTTY, columns: 100 });
}
