// Chooses the image that deep probes of each mirror fetch. Unless the operator names one, it is an image of this
// node that the mirror was found to hold: it is kept for as long as the node has it, and another one is tried
// where the mirror does not hold it. Nothing of this is remembered across a restart.

import { isDeepStrictEqual } from "node:util";
import { type Canary, findCanaries, type NodeImage, nameOfCanary, promisedCanary } from "../core/canary.ts";
import type { Mirror, MirrorConfig } from "../core/mirror-config.ts";

export interface CanariesPorts {
  readonly listImages: (config: MirrorConfig, signal: AbortSignal) => Promise<readonly NodeImage[]>;
  readonly nowMs: () => number;
}

type KnownMirror = Pick<Mirror, "endpoint" | "hosts" | "probe">;

const ASK_AGAIN_MS = 10 * 60_000;
/** A new node has none yet, and its first pulls want one. */
const ASK_SOON_MS = 2000;

export class Canaries {
  readonly #ports: CanariesPorts;
  readonly #held = new Map<string, Canary>();
  #absent = new Set<string>();
  #images: readonly NodeImage[] = [];
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: CanariesPorts) {
    this.#ports = ports;
  }

  /** The image for the next deep probe of a mirror; null if there is none. */
  async find(mirror: KnownMirror, config: MirrorConfig, signal: AbortSignal): Promise<Canary | null> {
    const promised = promisedCanary(mirror);
    if (promised !== null) return promised;
    await this.#refresh(config, signal);
    const candidates = findCanaries(this.#images, mirror.hosts);
    const held = this.#held.get(mirror.endpoint);
    const kept = candidates.find((canary) => isDeepStrictEqual(canary, held));
    return kept ?? candidates.find((canary) => !this.#absent.has(absenceOf(mirror, canary))) ?? null;
  }

  /** Takes in whether the mirror holds the image. */
  learn(mirror: KnownMirror, canary: Canary, { isHeld }: { isHeld: boolean }): void {
    if (isHeld) {
      this.#held.set(mirror.endpoint, canary);
      return;
    }
    this.#held.delete(mirror.endpoint);
    this.#absent.add(absenceOf(mirror, canary));
  }

  async #refresh(config: MirrorConfig, signal: AbortSignal): Promise<void> {
    const nowMs = this.#ports.nowMs();
    const restMs = this.#images.length === 0 ? ASK_SOON_MS : ASK_AGAIN_MS;
    if (Math.abs(nowMs - this.#askedAtMs) < restMs) return;
    this.#askedAtMs = nowMs;
    this.#images = await this.#ports.listImages(config, signal);
    this.#absent = new Set();
  }
}

function absenceOf({ endpoint }: KnownMirror, canary: Canary): string {
  return `${endpoint} ${nameOfCanary(canary)}`;
}
