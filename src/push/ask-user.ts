// Asks on a terminal. A password is read in raw mode, so that it neither shows nor stays in the scroll-back.

import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import type { AskUser } from "./find-credential.ts";

interface Terminal {
  readonly input: Readable & { setRawMode?: (raw: boolean) => unknown };
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/** Questions go to `output`, which is the terminal even when results go elsewhere. */
export function askOnTerminal(terminal: Terminal): AskUser {
  return {
    text: (question) => askText(terminal, question),
    secret: (question) => askSecret(terminal, question),
  };
}

async function askText({ input, output, signal }: Terminal, question: string): Promise<string> {
  const lines = createInterface({ input, output, terminal: false });
  try {
    return (await lines.question(question, { signal })).trim();
  } finally {
    lines.close();
  }
}

async function askSecret({ input, output, signal }: Terminal, question: string): Promise<string> {
  output.write(question);
  input.setRawMode?.(true);
  try {
    return await readSecret(input, signal);
  } finally {
    input.setRawMode?.(false);
    input.pause();
    output.write("\n");
  }
}

function readSecret(input: Readable, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let typed: Typed = { text: "", end: null };
  const onKeys = (keys: Buffer | string): void => {
    typed = typeKeys(typed.text, keys.toString());
    if (typed.end === "enter") resolve(typed.text);
    if (typed.end === "cancel") reject(new Error("Cannot log in: no password was given"));
  };
  const onEnd = (): void => resolve(typed.text);
  const onAbort = (): void => reject(signal.reason);
  input.on("data", onKeys).once("end", onEnd);
  signal.addEventListener("abort", onAbort, { once: true });
  input.resume();
  return promise.finally(() => {
    input.off("data", onKeys).off("end", onEnd);
    signal.removeEventListener("abort", onAbort);
  });
}

interface Typed {
  readonly text: string;
  readonly end: "enter" | "cancel" | null;
}

function typeKeys(before: string, keys: string): Typed {
  let text = before;
  for (const key of keys) {
    if (key === "\r" || key === "\n") return { text, end: "enter" };
    // In raw mode the terminal no longer makes a signal of Ctrl-C, nor an end of Ctrl-D.
    if (key === "\u0003" || key === "\u0004") return { text, end: "cancel" };
    text = key === "\u007f" || key === "\b" ? text.slice(0, -1) : text + key;
  }
  return { text, end: null };
}
