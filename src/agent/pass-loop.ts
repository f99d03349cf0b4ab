// When to pass: at once when something changed, once more when something changed meanwhile, again a
// little later when a pass failed, and now and then in any case. Never two at a time.

export interface PassLoopOptions {
  /** The safety net: a pass at least this often. */
  readonly intervalMs: number;
  /** The first wait after a failed pass; it doubles up to intervalMs. */
  readonly retryMs: number;
  /** Says whether a failure is the world's (tried again) or our own (thrown on, so that the process ends). */
  readonly onFailure: (error: unknown, retryInMs: number) => "retry" | "throw";
}

/** The longest that a change waits after a failed pass. */
const CHANGE_WAIT_MS = 5000;

export class PassLoop {
  readonly #pass: () => Promise<void>;
  readonly #options: PassLoopOptions;
  readonly #failed = Promise.withResolvers<never>();
  #running: Promise<void> | null = null;
  #again = false;
  #changed = false;
  #closed = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #dueAtMs = Number.POSITIVE_INFINITY;

  constructor(pass: () => Promise<void>, options: PassLoopOptions) {
    this.#pass = pass;
    this.#options = options;
    this.#failed.promise.catch(() => {});
  }

  /** Rejects when a pass failed by our own fault; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Asks for a pass; resolves when one that began after this call has ended. */
  async request(): Promise<void> {
    if (this.#closed) return;
    if (!this.#running) {
      this.#running = this.#run();
      return this.#running;
    }
    this.#again = true;
    await this.#running;
  }

  /** Asks for a pass that begins within so long; any pass that begins until then will do. */
  requestWithin(ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) void this.request();
    else this.#wakeIn(ms);
  }

  /**
   * Asks for a pass because something on the node has changed. A failed pass may have changed it itself (a temporary
   * file on a disk that is full): after one, this waits as the next attempt does, a few seconds at most.
   */
  requestForChange(): void {
    if (this.#closed) return;
    if (this.#running) this.#changed = true;
    else if (this.#failures === 0) void this.request();
    else this.#wakeIn(this.#changeWaitMs());
  }

  /** Waits for the pass under way and begins no other. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#sleep();
    await this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      this.#changed = false;
      this.#sleep();
      await this.#passOnce();
    } while ((this.#again || (this.#changed && this.#failures === 0)) && !this.#closed);
    this.#running = null;
    if (!this.#closed) this.#wakeIn(this.#changed ? this.#changeWaitMs() : this.#waitMs());
  }

  /** The earlier of two alarms counts. */
  #wakeIn(ms: number): void {
    const dueAtMs = performance.now() + ms;
    if (dueAtMs >= this.#dueAtMs) return;
    clearTimeout(this.#timer);
    this.#dueAtMs = dueAtMs;
    this.#timer = setTimeout(() => void this.request(), ms);
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    this.#dueAtMs = Number.POSITIVE_INFINITY;
  }

  async #passOnce(): Promise<void> {
    try {
      await this.#pass();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      if (this.#options.onFailure(error, this.#waitMs()) === "throw") {
        this.#closed = true;
        this.#failed.reject(error);
      }
    }
  }

  #changeWaitMs(): number {
    return Math.min(CHANGE_WAIT_MS, this.#waitMs());
  }

  #waitMs(): number {
    const { intervalMs, retryMs } = this.#options;
    return this.#failures === 0 ? intervalMs : Math.min(intervalMs, retryMs * 2 ** (this.#failures - 1));
  }
}
