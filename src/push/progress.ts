// How far a push is. What was sent and what the registry has taken are counted apart: a blob that is sent a second time
// must not make the display run backwards or pass 100 %.

import type { ImageResult, PushEvent } from "./push-event.ts";

export interface ActiveBlob {
  readonly digest: string;
  readonly repository: string;
  readonly size: number;
  sent: number;
}

/** Adds up events. */
export class Progress {
  readonly startedMs: number;
  readonly active = new Map<string, ActiveBlob>();
  readonly results: ImageResult[] = [];
  images = 0;
  totalBytes = 0;
  doneBytes = 0;
  /** Everything handed to the network, also what was sent twice. */
  sentBytes = 0;
  mounted = 0;
  uploaded = 0;
  retries = 0;
  readonly #counted = new Set<string>();
  /** Bytes sent until then, twice a second and for ten seconds: the rate is of now, not of the whole run. */
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(nowMs: number) {
    this.startedMs = nowMs;
  }

  add(event: PushEvent): void {
    switch (event.kind) {
      case "planned":
        this.images = event.images;
        this.totalBytes = event.bytes;
        return;
      case "blobStarted":
        this.active.set(keyOf(event), { ...event, sent: 0 });
        return;
      case "blobSent":
        this.#addSent(event);
        return;
      case "blobDone":
        this.#addDone(event);
        return;
      case "imageDone":
        this.results.push(event.result);
        return;
      case "retry":
        this.retries++;
        return;
      case "warning":
        return;
    }
    event satisfies never;
  }

  /** Of all bytes that have to be there at the end, how many are, or are on their way. */
  reachedBytes(): number {
    let onTheWay = 0;
    for (const blob of this.active.values())
      if (!this.#counted.has(blob.digest)) onTheWay += Math.min(blob.sent, blob.size);
    return Math.min(this.totalBytes, this.doneBytes + onTheWay);
  }

  bytesPerSecond(nowMs: number): number {
    if (nowMs - (this.#samples.at(-1)?.atMs ?? 0) >= 500) this.#samples.push({ atMs: nowMs, bytes: this.sentBytes });
    while (this.#samples.length > 20) this.#samples.shift();
    const first = this.#samples[0] ?? { atMs: this.startedMs, bytes: 0 };
    const since = nowMs > first.atMs ? first : { atMs: this.startedMs, bytes: 0 };
    return nowMs > since.atMs ? ((this.sentBytes - since.bytes) * 1000) / (nowMs - since.atMs) : 0;
  }

  #addSent(event: PushEvent & { kind: "blobSent" }): void {
    this.sentBytes += event.bytes;
    const blob = this.active.get(keyOf(event));
    if (blob !== undefined) blob.sent += event.bytes;
  }

  #addDone(event: PushEvent & { kind: "blobDone" }): void {
    this.active.delete(keyOf(event));
    if (event.outcome === "failed") return;
    if (event.outcome === "mounted") this.mounted++;
    if (event.outcome === "uploaded") this.uploaded++;
    if (this.#counted.has(event.digest)) return;
    this.#counted.add(event.digest);
    this.doneBytes += event.size;
  }
}

function keyOf({ digest, repository }: { readonly digest: string; readonly repository: string }): string {
  return `${repository}@${digest}`;
}
