// Chooses the image that deep probes of each mirror fetch. Unless the operator names one, it is an image of this
// node that the mirror was found to hold: it is kept for as long as the node has it, and another one is tried
// where the mirror does not hold it. Nothing of this is remembered across a restart.

import { isDeepStrictEqual } from "node:util";
import { type Canary, findCanaries, type NodeImage, nameOfCanary, promisedCanary } from "../core/canary.ts";
import type { Mirror, MirrorConfig } from "../core/mirror-config.ts";

export interface CanariesPorts {
  /** Null where containerd cannot be asked. Rejects only when the signal is aborted. */
  readonly listImages: (config: MirrorConfig, signal: AbortSignal) => Promise<readonly NodeImage[] | null>;
  readonly nowMs: () => number;
}

type KnownMirror = Pick<Mirror, "endpoint" | "hosts" | "probe">;

const ASK_AGAIN_MS = 10 * 60_000;
/** A new node has none of these registries yet, and its first pulls want one; at a boot containerd starts after us. */
const ASK_SOON_MS = 250;

export class Canaries {
  readonly #ports: CanariesPorts;
  readonly #held = new Map<string, Canary>();
  /** The names of images that a mirror was found to lack, by endpoint. */
  readonly #absent = new Map<string, ReadonlySet<string>>();
  /** The mirrors that lack all there are: they are asked again once the images were listed anew. */
  readonly #exhausted = new Set<string>();
  /** Null until containerd could be asked. */
  #images: readonly NodeImage[] | null = null;
  #asking: Promise<void> | null = null;
  #askAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: CanariesPorts) {
    this.#ports = ports;
  }

  /** The image for the next deep probe of a mirror; null if there is none, "unknown" while containerd was never asked. */
  async find(mirror: KnownMirror, config: MirrorConfig, signal: AbortSignal): Promise<Canary | null | "unknown"> {
    const promised = promisedCanary(mirror);
    if (promised !== null) return promised;
    await this.#refresh(config, signal);
    if (this.#images === null) return "unknown";
    const candidates = findCanaries(this.#images, mirror.hosts);
    if (candidates.length === 0) this.#askAtMs = Math.min(this.#askAtMs, this.#askedAtMs + ASK_SOON_MS);
    const held = this.#held.get(mirror.endpoint);
    const kept = candidates.find((canary) => isDeepStrictEqual(canary, held));
    const absent = this.#absent.get(mirror.endpoint);
    const next = kept ?? candidates.find((canary) => !absent?.has(nameOfCanary(canary)));
    if (next === undefined) this.#exhausted.add(mirror.endpoint);
    return next ?? null;
  }

  /** Takes in whether the mirror holds the image. */
  learn({ endpoint }: KnownMirror, canary: Canary, { isHeld }: { isHeld: boolean }): void {
    if (isHeld) {
      this.#held.set(endpoint, canary);
      return;
    }
    this.#held.delete(endpoint);
    this.#absent.set(endpoint, new Set(this.#absent.get(endpoint)).add(nameOfCanary(canary)));
  }

  /** Mirrors that are probed at the same time wait for the same answer. */
  async #refresh(config: MirrorConfig, signal: AbortSignal): Promise<void> {
    if (this.#asking === null && !this.#isDue()) return;
    this.#asking ??= this.#ask(config, signal).finally(() => {
      this.#asking = null;
    });
    await this.#asking;
    signal.throwIfAborted();
  }

  /** The clock may have been set back since. */
  #isDue(): boolean {
    const nowMs = this.#ports.nowMs();
    return nowMs >= this.#askAtMs || nowMs < this.#askedAtMs;
  }

  async #ask(config: MirrorConfig, signal: AbortSignal): Promise<void> {
    const images = await this.#ports.listImages(config, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return null; // whoever else waits for this goes on with what is known
    });
    this.#askedAtMs = this.#ports.nowMs();
    this.#askAtMs = this.#askedAtMs + (images === null ? ASK_SOON_MS : ASK_AGAIN_MS);
    if (images !== null) this.#takeIn(images);
  }

  #takeIn(images: readonly NodeImage[]): void {
    this.#images = images;
    const names = new Set(findCanaries(images, ["*"]).map(nameOfCanary));
    for (const [endpoint, absent] of this.#absent) {
      this.#absent.set(endpoint, this.#exhausted.has(endpoint) ? new Set() : absent.intersection(names));
    }
    this.#exhausted.clear();
  }
}
