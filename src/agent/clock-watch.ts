// Notices that the node's clock was set: one that boots in 1970 has the right time minutes later, and no mirror was
// down for 56 years then.

export interface Clocks {
  /** What the node takes for the time. */
  readonly nowMs: () => number;
  /** A clock that nobody sets, from any beginning. */
  readonly steadyMs: () => number;
}

/** NTP moves a clock by less without setting it. */
const LEAST_STEP_MS = 2000;

export class ClockWatch {
  readonly #clocks: Clocks;
  #aheadMs: number;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#aheadMs = clocks.nowMs() - clocks.steadyMs();
  }

  /** By how much it was set since the last call; 0 for next to nothing. */
  takeStepMs(): number {
    const aheadMs = this.#clocks.nowMs() - this.#clocks.steadyMs();
    const stepMs = aheadMs - this.#aheadMs;
    if (Math.abs(stepMs) < LEAST_STEP_MS) return 0;
    this.#aheadMs = aheadMs;
    return stepMs;
  }
}
