// Shows a push while it runs: a live display on a terminal, calm lines in a pipe, NDJSON for programs.

import type { Writable } from "node:stream";
import { Progress } from "./progress.ts";
import type { PushEvent } from "./push-event.ts";
import { renderLive, renderStatus } from "./render-progress.ts";

export interface ShowOptions {
  readonly style: "live" | "lines" | "json";
  readonly output: Writable & { readonly columns?: number };
  readonly nowMs: () => number;
}

export interface ProgressDisplay {
  readonly progress: Progress;
  readonly onEvent: (event: PushEvent) => void;
  /** Takes the live display off the screen. */
  close(): void;
}

const LIVE_MS = 100;
const CALM_MS = 10_000;

/** Starts to show; close it before anything else is written. */
export function showProgress(options: ShowOptions): ProgressDisplay {
  const progress = new Progress(options.nowMs());
  const show = SHOWS[options.style](progress, options);
  const timer = setInterval(show.tick, options.style === "live" ? LIVE_MS : CALM_MS);
  timer.unref();
  const onEvent = (event: PushEvent): void => {
    progress.add(event);
    show.event(event);
  };
  const close = (): void => {
    clearInterval(timer);
    show.end();
  };
  return { progress, onEvent, close };
}

interface Show {
  event(event: PushEvent): void;
  tick(): void;
  end(): void;
}

const SHOWS: Readonly<Record<ShowOptions["style"], (progress: Progress, options: ShowOptions) => Show>> = {
  live: showLive,
  lines: showLines,
  json: showJson,
};

function showLive(progress: Progress, { output, nowMs }: ShowOptions): Show {
  let shown = 0;
  // Up to the first line of the display, and everything beneath it away.
  const erase = (): string => (shown === 0 ? "" : `\u001b[${shown}A\u001b[J`);
  const draw = (above = ""): void => {
    const lines = renderLive(progress, { nowMs: nowMs(), columns: output.columns ?? 80 });
    output.write(`${erase()}${above}${lines.join("\n")}\n`);
    shown = lines.length;
  };
  return {
    event(event) {
      const line = renderEvent(event);
      if (line !== null) draw(`${line}\n`);
    },
    tick: () => draw(),
    end() {
      output.write(erase());
      shown = 0;
    },
  };
}

function showLines(progress: Progress, { output, nowMs }: ShowOptions): Show {
  return {
    event(event) {
      const line = renderEvent(event);
      if (line !== null) output.write(`${line}\n`);
    },
    tick: () => void output.write(`${renderStatus(progress, nowMs())}\n`),
    end: () => undefined,
  };
}

function showJson(progress: Progress, { output, nowMs }: ShowOptions): Show {
  const write = (line: object): void => void output.write(`${JSON.stringify(line)}\n`);
  return {
    event(event) {
      // Thousands of them; "progress" says the same from time to time.
      if (event.kind !== "blobSent") write({ event: event.kind, ...withoutKind(event) });
    },
    tick() {
      const { totalBytes, sentBytes } = progress;
      const bytesPerSecond = Math.round(progress.bytesPerSecond(nowMs()));
      write({ event: "progress", reachedBytes: progress.reachedBytes(), totalBytes, sentBytes, bytesPerSecond });
    },
    end: () => undefined,
  };
}

function withoutKind({ kind: _, ...rest }: PushEvent): object {
  return rest;
}

/** What is worth a line of its own for people. */
function renderEvent(event: PushEvent): string | null {
  if (event.kind === "imageDone") return renderResult(event);
  if (event.kind === "warning") return `warning: ${event.message}`;
  if (event.kind === "retry") return `${event.message}; trying again in ${(event.waitMs / 1000).toFixed(1)} s`;
  return null;
}

function renderResult({ result }: PushEvent & { kind: "imageDone" }): string | null {
  if (result.state === "stopped") return null;
  const reason = result.reason === null ? "" : `: ${result.reason}`;
  return `${result.state.padEnd(8)} ${result.target}${reason}`;
}
