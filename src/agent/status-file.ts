// Keeps status.json: at once when something changed, and every few seconds for what only drifts (latency),
// so that its age says whether the agent lives.

import { makeFolder, writeFileAtomic } from "../node/files.ts";
import type { Status } from "../report/status.ts";

// Shorter than the agent's own patience with measurements: what it publishes because of that is written.
const QUIET_MS = 10_000;

export class StatusFile {
  readonly #path: string;
  #shown = "";
  #writtenAtMs = 0;
  #next: Status | null = null;
  #writing: Promise<void> | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Shows this status; says whether it differs in more than measurements from the last. */
  publish(status: Status): boolean {
    const shown = withoutMeasurements(status);
    const isNews = shown !== this.#shown;
    const atMs = Date.parse(status.updatedAt);
    if (!isNews && Math.abs(atMs - this.#writtenAtMs) < QUIET_MS) return false;
    this.#shown = shown;
    this.#writtenAtMs = atMs;
    this.#next = status;
    this.#writing ??= this.#writeAll();
    return isNews;
  }

  /** Resolves when the last published status is on disk. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#next) {
      const text = `${JSON.stringify(this.#next, null, 2)}\n`;
      this.#next = null;
      // A full /run must not end the agent: pulls matter more than telling of them.
      await this.#write(text).catch(() => {});
    }
    this.#writing = null;
  }

  async #write(text: string): Promise<void> {
    await makeFolder(this.#path.slice(0, this.#path.lastIndexOf("/")));
    await writeFileAtomic(this.#path, text, { mode: 0o644 });
  }
}

function withoutMeasurements(status: Status): string {
  return JSON.stringify({
    ...status,
    updatedAt: "",
    endpoints: status.endpoints.map((endpoint) => ({ ...endpoint, latencyMs: null, detail: null })),
  });
}
