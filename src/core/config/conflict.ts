// Problems that no single value of the mirror config has, only several together. They are looked for in
// what the file says, whether or not the rest of it is right, so that all problems are reported at once.

import type { ConfigPath } from "./config-path.ts";

export interface Conflict {
  readonly severity: "error" | "warning";
  readonly path: ConfigPath;
  /** For an error what goes on after "Cannot use KEY: ", for a warning a whole sentence. */
  readonly text: string;
}

/** A map as the file has it: nothing about it is certain. */
export type Loose = Readonly<Record<string, unknown>>;

/** The value if it is a map, else an empty one. */
export function looseMap(value: unknown): Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : {};
}

/** The value if it is a list, else an empty one. */
export function looseList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Whether an optional setting is set: null, "" and false are not. */
export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && value !== false;
}

/** An error at a path. */
export function conflict(path: ConfigPath, text: string): Conflict {
  return { severity: "error", path, text };
}

/** A warning at a path. */
export function doubt(path: ConfigPath, text: string): Conflict {
  return { severity: "warning", path, text };
}
