// Writes what happens to stdout: one plain line per event, or JSON. systemd takes a "<N>" in front of a line
// as its priority (sd-daemon(3)), so that `journalctl -p warning` works. Lines are written at once and in
// full: the last one before an exit is the one that is needed. When journald is gone its pipe stays broken
// (EPIPE), and pino's destination then falls silent; an agent that died of it would be worse than silent.

import { fstatSync } from "node:fs";
import { pino } from "pino";
import { escapeControl } from "./escape-control.ts";
import { describeEvent, type Event, type Level } from "./events.ts";

export interface Log {
  readonly debug: (message: string) => void;
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
  readonly error: (message: string) => void;
  readonly event: (event: Event) => void;
  setLevel(level: Level): void;
}

export interface LogDestination {
  write(line: string): void;
}

/** What stands in front of a line: the journal notes the time itself, a terminal does not. */
export type LogPrefix = "priority" | "time" | "none";

export interface LogOptions {
  readonly format: "text" | "json";
  readonly level: Level;
  /** Only for text. */
  readonly prefix: LogPrefix;
  readonly destination: LogDestination;
}

/** A log that writes the lines of `level` and above. */
export function createLog({ format, level, prefix, destination }: LogOptions): Log {
  const stream = format === "json" ? destination : { write: (line: string) => destination.write(toText(line, prefix)) };
  const options = {
    level,
    base: null,
    messageKey: "message",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, stream);
  return {
    debug: (message) => logger.debug(message),
    info: (message) => logger.info(message),
    warn: (message) => logger.warn(message),
    error: (message) => logger.error(message),
    event: (event) => {
      const { level, message } = describeEvent(event);
      logger[level]({ event: event.kind, ...findFields(event) }, message);
    },
    setLevel: (level) => {
      logger.level = level;
    },
  };
}

/** Writes to a descriptor synchronously; falls silent when nobody reads it any more. */
export function openLogDestination(fd: number): LogDestination {
  return pino.destination({ fd, sync: true });
}

/** What a descriptor's lines begin with; `journalStream` is JOURNAL_STREAM, which systemd sets to the journal's own socket. */
export function chooseLogPrefix(
  fd: number,
  options: { journalStream: string | undefined; isTerminal: boolean },
): LogPrefix {
  const { dev, ino } = fstatSync(fd);
  // Compared, since programs that we or a login shell start inherit the variable, but not the socket.
  if (options.journalStream === `${dev}:${ino}`) return "priority";
  return options.isTerminal ? "time" : "none";
}

const PRIORITIES: Readonly<Record<string, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

function toText(line: string, prefix: LogPrefix): string {
  const { level, time, message } = JSON.parse(line) as { level: string; time: string; message: string };
  return `${renderPrefix(prefix, level, time)}${escapeControl(message)}\n`;
}

function renderPrefix(prefix: LogPrefix, level: string, time: string): string {
  if (prefix === "priority") return `<${PRIORITIES[level]}>`;
  if (prefix === "none") return "";
  const mark = level === "warn" || level === "error" ? `${level}: ` : "";
  return `${renderLocalTime(time)} ${mark}`;
}

function renderLocalTime(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}

/** What a machine looks for in an event, beside its sentence. */
function findFields(event: Event): Readonly<Record<string, unknown>> {
  if (event.kind !== "endpointChanged") return "path" in event ? { path: event.path } : {};
  const { endpoint, transition } = event;
  const { to, lastedMs } = transition;
  const reason = transition.to === "down" ? transition.reason : null;
  return { endpoint: endpoint.url, role: endpoint.role, state: to, reason, lastedMs };
}
