// Tells once that metrics can be had, and once each way in which they cannot: what is tried again every few seconds
// must not fill the journal.

import type { Event } from "../report/events.ts";

export type Emit = (event: Event) => void;

export class Announcements {
  readonly #emit: Emit;
  #told: string | null = null;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  works(where: string): void {
    this.#tell(where, { kind: "metricsShown", where });
  }

  fails(what: string, error: unknown): void {
    const because = describe(error);
    this.#tell(`${what} ${because}`, { kind: "metricsImpaired", message: `${what}: ${because}` });
  }

  /** What is told next is news. */
  forget(): void {
    this.#told = null;
  }

  #tell(text: string, event: Event): void {
    if (text === this.#told) return;
    this.#told = text;
    this.#emit(event);
  }
}

// Node's own words go on with the call and the path, which for a temporary file is another each time.
function describe(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return code === undefined ? message : (message.split(", ")[0] ?? message);
}
