// Keeps the file for node-exporter. What goes wrong with it is told once, and tried again with the next write.

import { openMetricsFile, removeMetricsFile, writeMetricsFile } from "../node/metrics-file.ts";
import { Announcements, type Emit } from "./metrics-announcements.ts";

export class MetricsTextfile {
  readonly #announcements: Announcements;
  #path: string | null = null;
  /** Where it was found that the file can be ours. */
  #opened: string | null = null;
  #isDue = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(emit: Emit) {
    this.#announcements = new Announcements(emit);
  }

  /** Writes to this path from now on. The file at the last one is removed: it would tell of what is long past. */
  follow(path: string | null): Promise<void> {
    if (path === this.#path) return this.#turn;
    const last = this.#path;
    this.#path = path;
    this.#announcements.forget();
    return this.#queue(async () => {
      if (last !== null) await removeMetricsFile(last).catch(() => {});
    });
  }

  /** Writes the text that `render` gives when it is its turn. */
  write(render: () => Promise<string>): Promise<void> {
    if (this.#isDue) return this.#turn; // a disk that hangs is no reason to pile up
    this.#isDue = true;
    return this.#queue(async () => {
      this.#isDue = false;
      if (this.#path !== null) await this.#writeTo(this.#path, render);
    });
  }

  /** Resolves when all is written. The file stays: that it grows old says that the agent does not run. */
  close(): Promise<void> {
    return this.#turn;
  }

  async #writeTo(path: string, render: () => Promise<string>): Promise<void> {
    try {
      if (this.#opened !== path) await openMetricsFile(path);
      this.#opened = path;
      await writeMetricsFile(path, await render());
      this.#announcements.works(`written to ${path}`);
    } catch (error) {
      this.#opened = null;
      this.#announcements.fails(`Cannot write metrics to "${path}"`, error);
    }
  }

  #queue(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work);
    return this.#turn;
  }
}
