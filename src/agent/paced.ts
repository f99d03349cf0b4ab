// For work that looks at everything and is asked for by every single thing: a thousand upstreams are probed within
// a second when a mirror of theirs fails, and each result would have a status of a thousand lines compiled.

/** Runs at once when it was quiet, else at the end of the interval, and then with the latest value. */
export class Paced<T> {
  readonly #intervalMs: number;
  readonly #run: (value: T) => void;
  #timer: NodeJS.Timeout | null = null;
  #next: { readonly value: T } | null = null;

  constructor(intervalMs: number, run: (value: T) => void) {
    this.#intervalMs = intervalMs;
    this.#run = run;
  }

  call(value: T): void {
    if (this.#timer !== null) {
      this.#next = { value };
      return;
    }
    this.#timer = setTimeout(() => this.#goOn(), this.#intervalMs);
    this.#run(value);
  }

  /** Runs what is waiting, and nothing more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#next !== null) this.#run(this.#next.value);
    this.#next = null;
  }

  #goOn(): void {
    this.#timer = null;
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.call(next.value);
  }
}
