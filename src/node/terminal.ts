// The terminal as a live view has it: the alternate screen, no cursor, keys as they are pressed. Whatever happens,
// close() puts back what was before. Lines that are too long are cut by the terminal (DECAWM is off): a width that it
// sees differently must not make it scroll.

import type { Readable, Writable } from "node:stream";

export interface TerminalStreams {
  readonly stdin: Readable & { readonly isTTY?: boolean; readonly setRawMode?: (isRaw: boolean) => unknown };
  readonly stdout: Writable & { readonly columns?: number; readonly rows?: number };
}

export interface TerminalEvents {
  readonly onKey: (key: string) => void;
  readonly onResize: () => void;
  /** The terminal is closed: nothing can be shown any more. */
  readonly onGone: () => void;
}

// xterm's control sequences: 1049 the alternate screen, 25 the cursor, 7 wrapping at the right margin.
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/** Holds the terminal from construction until it is closed. */
export class Terminal {
  readonly #streams: TerminalStreams;
  readonly #events: TerminalEvents;
  readonly #onData = (keys: Buffer): void => this.#events.onKey(keys.toString("latin1"));
  #closed = false;

  constructor(streams: TerminalStreams, events: TerminalEvents) {
    this.#streams = streams;
    this.#events = events;
    const { stdin, stdout } = streams;
    stdout.on("resize", events.onResize).on("error", events.onGone);
    stdout.write(ENTER);
    if (stdin.isTTY !== true) return;
    stdin.setRawMode?.(true);
    // A terminal that hangs up ends with EIO.
    stdin.on("data", this.#onData).on("end", events.onGone).on("error", events.onGone);
  }

  get width(): number {
    return this.#streams.stdout.columns || 80;
  }

  get height(): number {
    return this.#streams.stdout.rows || 24;
  }

  write(text: string): void {
    if (text !== "") this.#streams.stdout.write(text);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { stdin, stdout } = this.#streams;
    const { onResize, onGone } = this.#events;
    stdout.off("resize", onResize);
    stdout.write(LEAVE);
    // The listeners for errors stay: what was just written may still fail.
    if (stdin.isTTY !== true) return;
    stdin.off("data", this.#onData).off("end", onGone);
    stdin.setRawMode?.(false);
    stdin.pause();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
