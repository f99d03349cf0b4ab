// What a command gets from the process: main.ts alone touches the process itself.

import type { Readable, Writable } from "node:stream";

export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean; readonly setRawMode?: (isRaw: boolean) => unknown };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Calls back on every SIGHUP; without a subscriber SIGHUP ends the process. */
  readonly onHangup: (listener: () => void) => void;
  readonly pid: number;
  readonly nowMs: () => number;
  /** The process ends with this code when everything is written. */
  readonly exit: (code: number) => void;
}

/** The options before the command's name. */
export interface GlobalOptions {
  readonly config?: string;
  readonly root: string;
  readonly output: "text" | "json";
}

/** 0 all is well, 1 something is not, 2 usage or config error. */
export const EXIT = { ok: 0, notOk: 1, usage: 2 } as const;

/** Whether output is coloured: on a terminal that knows colours, without NO_COLOR (no-color.org). */
export function wantsColour({ stdout, env }: CommandContext): boolean {
  return stdout.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

/** Columns to fit output to; what is piped is for programs, which want it whole. */
export function widthOf({ stdout }: CommandContext): number {
  return stdout.isTTY === true ? stdout.columns || 80 : Number.POSITIVE_INFINITY;
}
