// Takes containerd over beside the passes, one takeover at a time. What was tried is tried again only when something
// has changed that it depends on: a restart that fails, or that is the operator's to do, must not come round and round.

import { FIGHT_LIMIT, FIGHT_WINDOW_MS } from "../core/drift.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import type { Event } from "../report/events.ts";
import type { TakeoverReport } from "./take-over.ts";
import { eventsOfPlan, eventsOfTakeover } from "./takeover-events.ts";
import type { TakeoverState } from "./takeover-state.ts";

export interface TakeoverTaskPorts {
  readonly takeOver: (config: MirrorConfig, signal: AbortSignal) => Promise<TakeoverReport>;
  readonly emit: (event: Event) => void;
  /** The node has changed: time for a pass. */
  readonly requestPass: () => void;
  /** Says whether a failure is the world's (tried again later) or our own (thrown on, so that the process ends). */
  readonly isOurFault: (error: unknown) => boolean;
  readonly nowMs: () => number;
}

export const RETRY_MS = 60_000;

export class TakeoverTask {
  readonly #ports: TakeoverTaskPorts;
  readonly #stop = new AbortController();
  readonly #failed = Promise.withResolvers<never>();
  #running: Promise<void> | null = null;
  #restarts = false;
  /** The stamp of the state that the last takeover began with. */
  #tried = "";
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #told = "";
  /** When the files were changed: somebody else may be changing them back. */
  #doneAtMs: readonly number[] = [];

  constructor(ports: TakeoverTaskPorts) {
    this.#ports = ports;
    this.#failed.promise.catch(() => {});
  }

  /** Rejects when a takeover failed by our own fault; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Takes over what a pass has seen to be due; returns at once. */
  consider(config: MirrorConfig, state: TakeoverState): void {
    if (this.#running || this.#stop.signal.aborted) return;
    if (state.plan.kind === "settled") this.#told = "";
    this.#tellOnce(eventsOfPlan(state.plan));
    const nowMs = this.#ports.nowMs();
    if (!state.isDue || state.stamp === this.#tried || nowMs < this.#retryAtMs) return;
    if (this.#isLost(state, nowMs)) return;
    this.#restarts = state.plan.kind !== "change" || state.plan.restart !== "none";
    this.#running = this.#run(config, state.stamp).finally(() => {
      this.#running = null;
      if (!this.#stop.signal.aborted) this.#ports.requestPass();
    });
  }

  /** Resolves when containerd may start: what it is to read is there, or is changed with a restart anyway. */
  async untilStartable(): Promise<void> {
    if (!this.#restarts) await this.#running;
  }

  /** Tries again what was given up. */
  forget(): void {
    this.#tried = "";
    this.#doneAtMs = [];
    this.#retryAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Resolves when the takeover under way has come to a stop; the next start goes on from there. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(config: MirrorConfig, stamp: string): Promise<void> {
    try {
      const report = await this.#ports.takeOver(config, this.#stop.signal);
      this.#tried = stamp;
      if (report.plan.kind === "change" && report.plan.edit !== null)
        this.#doneAtMs = [...this.#doneAtMs, this.#ports.nowMs()];
      this.#tellOnce(eventsOfTakeover(report));
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (this.#ports.isOurFault(error)) this.#failed.reject(error);
      this.#retryAtMs = this.#ports.nowMs() + RETRY_MS;
      this.#ports.emit({ kind: "passFailed", message: (error as Error).message, retryInMs: RETRY_MS });
    }
  }

  #isLost({ plan, stamp }: TakeoverState, nowMs: number): boolean {
    this.#doneAtMs = this.#doneAtMs.filter((atMs) => atMs > nowMs - FIGHT_WINDOW_MS);
    if (plan.kind !== "change" || plan.edit === null || this.#doneAtMs.length < FIGHT_LIMIT) return false;
    this.#tried = stamp;
    this.#ports.emit({ kind: "fightStopped", path: plan.edit.path });
    return true;
  }

  // A failure comes back as the refusal to try it again: it is told once all the same.
  #tellOnce(events: readonly Event[]): void {
    for (const event of events) {
      const told = event.kind === "restartOwed" ? event.kind : "because" in event ? event.because : "";
      if (told !== "" && told === this.#told) continue;
      this.#told = told;
      this.#ports.emit(event);
    }
  }
}
