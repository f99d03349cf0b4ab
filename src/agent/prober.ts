// Decides when each endpoint is probed, and owns the timers. One probe in flight for each endpoint (CoreDNS
// does the same): a server that answers slowly is not asked faster than it can answer.

import { isDeepStrictEqual } from "node:util";
import type { ProbeResult } from "../core/probe-result.ts";
import type { ProbeTarget } from "../registry/probe.ts";

export interface ProberTarget extends ProbeTarget {
  /** See endpointKey(). */
  readonly key: string;
  /** Of the config: with another one the rounds begin anew, whenever the next probe would have been due. */
  readonly intervalMs: number;
}

export interface ProberOptions {
  readonly probe: (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeResult>;
  /** Called with each result, before nextDelayMs is asked. */
  readonly onResult: (key: string, result: ProbeResult) => void;
  /** From the start of the probe whose result was just given to the start of the next. */
  readonly nextDelayMs: (key: string) => number;
  readonly random?: () => number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

// First probes are spread over 20 ms each, up to a second: they are wanted soon, but not all in one moment.
const SPREAD_EACH_MS = 20;
const MAX_SPREAD_MS = 1000;

export class Prober {
  readonly #options: Required<ProberOptions>;
  readonly #rounds = new Map<string, Round>();
  #paused = false;
  #closed = false;

  constructor(options: ProberOptions) {
    this.#options = { random: Math.random, now: () => performance.now(), ...options };
  }

  /** From now on these are probed, and no others. What has not changed is not disturbed; keys are unique. */
  setTargets(targets: readonly ProberTarget[]): void {
    if (this.#closed) throw new Error("Cannot set targets: the prober is closed");
    const wanted = new Map(targets.map((target) => [target.key, target]));
    for (const [key, round] of this.#rounds) {
      if (isDeepStrictEqual(round.target, wanted.get(key))) wanted.delete(key);
      else this.#remove(key, round);
    }
    for (const target of wanted.values()) this.#rounds.set(target.key, new Round(target, this.#options));
    if (!this.#paused) this.#spread(wanted.keys());
  }

  /** Probes now rather than when it is due; a probe in flight is followed by another one at once. Unknown keys are ignored. */
  probeSoon(key: string): void {
    if (!this.#paused) this.#rounds.get(key)?.start();
  }

  /** Stops probing, and drops the probes in flight, until resume(). */
  pause(): void {
    this.#paused = true;
    for (const round of this.#rounds.values()) round.stop();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#spread(this.#rounds.keys());
  }

  /** Stops for good; once it resolves nothing is in flight, and no result comes any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const rounds = [...this.#rounds];
    for (const [key, round] of rounds) this.#remove(key, round);
    await Promise.all(rounds.map(([, round]) => round.settled));
  }

  #remove(key: string, round: Round): void {
    round.stop();
    this.#rounds.delete(key);
  }

  #spread(keys: Iterable<string>): void {
    const chosen = [...keys];
    const spreadMs = Math.min(MAX_SPREAD_MS, chosen.length * SPREAD_EACH_MS);
    for (const key of chosen) this.#rounds.get(key)?.startIn(this.#options.random() * spreadMs);
  }
}

/** The probes of one target, one after the other. */
class Round {
  readonly target: ProberTarget;
  /** Resolves when the last probe that was started has ended. */
  settled: Promise<void> = Promise.resolve();
  readonly #options: Required<ProberOptions>;
  #timer: NodeJS.Timeout | null = null;
  #inFlight: AbortController | null = null;
  #again = false;

  constructor(target: ProberTarget, options: Required<ProberOptions>) {
    this.target = target;
    this.#options = options;
  }

  startIn(delayMs: number): void {
    this.#clearTimer();
    this.#timer = setTimeout(() => this.start(), delayMs);
  }

  start(): void {
    this.#clearTimer();
    if (this.#inFlight !== null) {
      this.#again = true;
      return;
    }
    this.#inFlight = new AbortController();
    this.settled = this.#probe(this.#inFlight);
  }

  stop(): void {
    this.#clearTimer();
    this.#again = false;
    this.#inFlight?.abort();
    this.#inFlight = null;
  }

  async #probe(flight: AbortController): Promise<void> {
    const { now, probe } = this.#options;
    const startedAt = now();
    const result = await probe(this.target, flight.signal).catch((error: unknown) => {
      if (flight.signal.aborted) return null;
      throw error;
    });
    if (result === null || flight.signal.aborted) return;
    this.#conclude(result, startedAt, flight);
  }

  #conclude(result: ProbeResult, startedAt: number, flight: AbortController): void {
    const { key } = this.target;
    const { now, nextDelayMs, onResult } = this.#options;
    onResult(key, result);
    // The result may have made the listener drop this target, or ask for another probe.
    if (flight.signal.aborted) return;
    const delayMs = this.#again ? 0 : Math.max(0, nextDelayMs(key) - (now() - startedAt));
    this.#again = false;
    this.#inFlight = null;
    this.startIn(delayMs);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
