// How many requests a registry gets at once, and when it gets none. Registries answer 429 to everybody alike, so one
// answer slows all workers: the limit is halved and a Retry-After holds everything back. Tools that only delay the
// request that was refused (go-containerregistry, skopeo) run into the same wall with the next one.

export interface GateOptions {
  readonly limit: number;
  readonly nowMs: () => number;
  /** Waits, and rejects when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

interface Waiter {
  readonly priority: number;
  readonly enter: () => void;
}

/** One registry's gate. */
export class Gate {
  readonly #options: GateOptions;
  readonly #waiters: Waiter[] = [];
  #limit: number;
  #inside = 0;
  #streak = 0;
  #openAtMs = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#limit = options.limit;
  }

  /** How many tasks may run at once right now. */
  get limit(): number {
    return this.#limit;
  }

  /** Runs a task when there is room; of those that wait, the one with the highest priority goes first. */
  async run<T>(task: () => Promise<T>, priority: number, signal: AbortSignal): Promise<T> {
    await this.#enter(priority, signal);
    try {
      await this.#untilOpen(signal);
      return await task();
    } finally {
      this.#inside--;
      this.#admit();
    }
  }

  /** The registry is overloaded: half as much at once, and nothing at all for `pauseMs`. */
  throttle(pauseMs: number): void {
    const now = this.#options.nowMs();
    // Requests that were under way together are refused together; they count as one refusal.
    if (now >= this.#openAtMs) this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#openAtMs = Math.max(this.#openAtMs, now + pauseMs);
    this.#streak = 0;
  }

  /** A request went through; after a round of them one more is let in. */
  relax(): void {
    if (++this.#streak < this.#limit * 4) return;
    this.#streak = 0;
    this.#limit = Math.min(this.#options.limit, this.#limit + 1);
    this.#admit();
  }

  async #untilOpen(signal: AbortSignal): Promise<void> {
    for (;;) {
      const leftMs = this.#openAtMs - this.#options.nowMs();
      if (leftMs <= 0) return;
      await this.#options.wait(leftMs, signal);
    }
  }

  #enter(priority: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#inside < this.#limit) {
      this.#inside++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const waiter: Waiter = { priority, enter };
      const leave = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      const at = this.#waiters.findIndex((other) => other.priority < priority);
      this.#waiters.splice(at === -1 ? this.#waiters.length : at, 0, waiter);
    });
  }

  #admit(): void {
    while (this.#inside < this.#limit) {
      const next = this.#waiters.shift();
      if (next === undefined) return;
      this.#inside++;
      next.enter();
    }
  }
}
