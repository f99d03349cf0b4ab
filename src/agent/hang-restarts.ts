// Restarts containerd for pulls that hang and cannot be freed in any other way: only where the operator asked for it
// (`containerd.restart: on-hang`), one restart at a time, and none soon after another.

import { fingerprintAuths } from "../core/containerd-config/auth-fingerprint.ts";
import { planHangRestart, RESTART_EVERY_MS } from "../core/containerd-config/plan-hang-restart.ts";
import type { Change } from "../core/containerd-config/plan-takeover.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import type { Event } from "../report/events.ts";
import type { Host } from "./host.ts";
import { carryOut, resume } from "./take-over.ts";
import { planContainerd } from "./takeover-state.ts";

export interface HangRestartsPorts {
  /** The config in force. */
  readonly config: () => MirrorConfig | null;
  /** Restarts containerd if nothing speaks against it; null when its CRI answers again, else why it was not to be. */
  readonly restart: (url: string, config: MirrorConfig, signal: AbortSignal) => Promise<string | null>;
  readonly emit: (event: Event) => void;
  /** How long a node waits, by chance, so that not all nodes of a fleet restart at once. */
  readonly drawSpreadMs: () => number;
  /** Resolves after so long, or when aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/** Pulls that were not seen to hang for so long do so no more. Connections are looked at every 5 s at least. */
const STILL_MS = 10_000;

export class HangRestarts {
  readonly #ports: HangRestartsPorts;
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #seenAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: HangRestartsPorts) {
    this.#ports = ports;
  }

  /** Takes in that pulls hang at this endpoint for long and cannot be freed; returns at once. */
  consider(endpoint: Endpoint): void {
    this.#seenAtMs = this.#ports.nowMs();
    if (this.#running || this.#stop.signal.aborted || !this.#isAllowed()) return;
    if (this.#seenAtMs - this.#triedAtMs < RESTART_EVERY_MS) return;
    this.#running = this.#run(endpoint).finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when a restart under way has come to a stop; the next start of the agent goes on from there. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(endpoint: Endpoint): Promise<void> {
    const { drawSpreadMs, emit, nowMs, wait } = this.#ports;
    const { signal } = this.#stop;
    await wait(drawSpreadMs(), signal);
    const config = this.#ports.config();
    if (signal.aborted || config === null || !this.#isAllowed() || nowMs() - this.#seenAtMs > STILL_MS) return;
    this.#triedAtMs = nowMs();
    emit({ kind: "hangRestartBegun", endpoint });
    try {
      emit({ kind: "hangRestartEnded", problem: await this.#ports.restart(endpoint.url, config, signal) });
    } catch (error) {
      if (!signal.aborted) emit({ kind: "hangRestartEnded", problem: (error as Error).message });
    }
  }

  #isAllowed(): boolean {
    return this.#ports.config()?.agent.containerd.restartOnHang ?? false;
  }
}

/** Restarts this host's containerd as a takeover does: journalled, and until its CRI answers. */
export function restartForHang(
  host: Host,
  url: string,
  config: MirrorConfig,
  signal: AbortSignal,
): Promise<string | null> {
  return host.underTakeoverLock(async () => {
    const memory = await host.openRestartMemory();
    await resume(host, config, memory, signal);
    const { observed, certsDir } = await host.lookAtContainerd(config, signal);
    const wanted = { config, certsDir, auths: host.authWishes(observed) };
    const takeover = planContainerd(observed, wanted, memory.now);
    const { lastRestartAtMs, fingerprintKey } = memory.now;
    const plan = planHangRestart(observed, { takeover, lastRestartAtMs, nowMs: Date.now() });
    if (plan.kind === "refused") return plan.because;
    const { daemon } = plan;
    const change: Change = {
      kind: "change",
      because: `pulls hang at ${url}, and their connections cannot be closed`,
      edit: null,
      restart: "now",
      daemon,
      key: `hang ${daemon}`,
      wanted: certsDir,
      auths: fingerprintAuths(fingerprintKey, observed.config?.registry ?? {}),
    };
    const outcome = await carryOut(host, config, { change, memory, spreadMs: 0 }, signal);
    return outcome.kind === "done" ? null : outcome.because;
  }, signal);
}
