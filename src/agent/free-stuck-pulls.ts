// Frees pulls that hang at a mirror that answers: its storage does not give one blob, or the server has forgotten a
// connection. No probe sees these, and containerd waits for ever (1.6) or for minutes (its image_pull_progress_timeout,
// after which the pull begins anew with the same mirror). They are sent on to another endpoint, once one is proven to
// work. Where none is, a download whose connection ends asks the same mirror for the rest, which helps where the
// connection was at fault; what still waits for an answer to begin is left alone then, since the mirror may be
// fetching the blob itself.

import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import type { Ended } from "../node/end-returning.ts";
import type { HeldSocket } from "../node/sockets.ts";
import type { Event } from "../report/events.ts";
import type { CloseSockets } from "./close-sockets.ts";

export interface StuckPulls {
  /** containerd's process. */
  readonly pid: number;
  /** The mirrors at one address. */
  readonly endpoints: readonly Endpoint[];
  /** The connections to it that hang. */
  readonly stuck: readonly HeldSocket[];
  /** All connections to mirrors. */
  readonly known: readonly HeldSocket[];
}

export interface FreeStuckPullsPorts {
  readonly closing: CloseSockets;
  /** Whether another endpoint is proven to serve what this one serves. */
  readonly hasOtherWay: (endpoint: Endpoint) => boolean;
  /** Has the others probed for a while. */
  readonly proveOtherWay: (endpoint: Endpoint) => void;
  readonly listDescriptors: (pid: number) => ReadonlySet<number>;
  readonly endReturning: (pid: number, ended: Ended, signal: AbortSignal) => Promise<number>;
  readonly emit: (event: Event) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/** So long the proof of another way is waited for. */
const PROOF_MS = 10_000;
/** So long after it was asked for, it has to be asked for again. */
const FORGET_MS = 60_000;

export class FreeStuckPulls {
  readonly #ports: FreeStuckPullsPorts;
  /** When the proof of another way was asked for, by endpointKey. */
  readonly #askedAtMs = new Map<string, number>();

  constructor(ports: FreeStuckPullsPorts) {
    this.#ports = ports;
  }

  /** Gives those that are dealt with; the others are to be brought again at the next look. */
  async free(pulls: StuckPulls, signal: AbortSignal): Promise<readonly HeldSocket[]> {
    const { endpoints, stuck } = pulls;
    const isSentOn = endpoints.every((endpoint) => this.#ports.hasOtherWay(endpoint));
    if (isSentOn) {
      await this.#close(pulls, { sockets: stuck, isSentOn }, signal);
      return stuck;
    }
    if (this.#awaitsProof(endpoints)) return [];
    const sockets = stuck.filter(({ isAnswered }) => isAnswered);
    await this.#close(pulls, { sockets, isSentOn }, signal);
    return sockets;
  }

  #awaitsProof(endpoints: readonly Endpoint[]): boolean {
    const nowMs = this.#ports.nowMs();
    const askedAtMs = endpoints.map(
      (endpoint) => this.#askedAtMs.get(endpointKey(endpoint)) ?? Number.NEGATIVE_INFINITY,
    );
    const agoMs = nowMs - Math.min(...askedAtMs);
    if (agoMs < FORGET_MS) return agoMs < PROOF_MS;
    for (const endpoint of endpoints) {
      this.#askedAtMs.set(endpointKey(endpoint), nowMs);
      this.#ports.proveOtherWay(endpoint);
    }
    return true;
  }

  async #close(
    { pid, endpoints, known }: StuckPulls,
    { sockets, isSentOn }: Closing,
    signal: AbortSignal,
  ): Promise<void> {
    const { closing, emit, endReturning, listDescriptors } = this.#ports;
    const [endpoint] = endpoints;
    const descriptors = listDescriptors(pid);
    const closed = [];
    for (const socket of sockets) closed.push(await closing.close(pid, socket, signal));
    const count = closed.filter((how) => how !== null).length;
    if (count === 0 || endpoint === undefined) return;
    emit({ kind: "stuckPullsFreed", endpoint, count, isSentOn });
    if (!isSentOn || !closed.includes("ended")) return;
    const servers = new Set(sockets.map(({ remote }) => remote));
    await endReturning(pid, { servers, known, descriptors }, signal);
  }
}

interface Closing {
  readonly sockets: readonly HeldSocket[];
  /** Whether their downloads are kept from coming back. */
  readonly isSentOn: boolean;
}
