// Reads status.json whenever it changes, also while it or its folder is missing. The daemon replaces it whole, so
// that what is read is never half a file.

import { readTextIfThere } from "../node/files.ts";
import { FileWatch } from "../node/watch.ts";
import { foldView, NOTHING_SEEN, type StatusView } from "../report/status-view.ts";

/** What inotify misses (none left, a file system without it) is seen by looking. */
const COMPARE_MS = 2000;

/** Tells what is there, from construction until close(): at once, and at each change. */
export class StatusWatch {
  readonly #path: string;
  readonly #onView: (view: StatusView) => void;
  readonly #watch: FileWatch;
  #view = NOTHING_SEEN;
  #reading: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(path: string, onView: (view: StatusView) => void) {
    this.#path = path;
    this.#onView = onView;
    this.#watch = new FileWatch({ onChange: () => this.#read(), onProblem: () => {}, compareMs: COMPARE_MS });
    this.#watch.setPaths({ files: [path], folders: [] });
    this.#read();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#watch.close(), this.#reading]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #read(): void {
    this.#reading = this.#reading.then(async () => {
      if (this.#closed) return;
      this.#view = await this.#look();
      if (!this.#closed) this.#onView(this.#view);
    });
  }

  async #look(): Promise<StatusView> {
    try {
      return foldView(this.#view, await readTextIfThere(this.#path), this.#path);
    } catch (error) {
      return { ...this.#view, problem: `Cannot read "${this.#path}": ${(error as Error).message}` };
    }
  }
}
