// Makes one notification of many events: an editor's save is five of them, `cp` of a big file hundreds.

export interface BurstOptions {
  /** It is over when it has been quiet for so long. */
  readonly quietMs: number;
  /** It is over after so long even if events go on: who writes all the time must not keep us from acting. */
  readonly longestMs: number;
}

/** Gathers paths until it has been quiet, then hands them over together; with none, if there was only a poke(). */
export class Burst {
  readonly #options: BurstOptions;
  readonly #onEnd: (paths: ReadonlySet<string>) => void;
  #paths = new Set<string>();
  #startedMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: BurstOptions, onEnd: (paths: ReadonlySet<string>) => void) {
    this.#options = options;
    this.#onEnd = onEnd;
  }

  add(path: string): void {
    this.#paths.add(path);
    this.poke();
  }

  /** Something happened; it is not known where. */
  poke(): void {
    const nowMs = performance.now();
    this.#startedMs ??= nowMs;
    const leftMs = this.#startedMs + this.#options.longestMs - nowMs;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), Math.max(0, Math.min(this.#options.quietMs, leftMs)));
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#paths.clear();
  }

  #end(): void {
    const paths = this.#paths;
    this.#paths = new Set();
    this.#startedMs = null;
    this.#timer = null;
    this.#onEnd(paths);
  }
}
