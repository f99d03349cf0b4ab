// The simulation's time: a heap of what is to happen, and a generator of chance that is always the same.

type Happening = () => void;

export class Clock {
  nowMs = 0;
  readonly #times: number[] = [];
  readonly #happenings: Happening[] = [];

  at(atMs: number, happening: Happening): void {
    this.#times.push(atMs);
    this.#happenings.push(happening);
    let child = this.#times.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.#time(parent) <= this.#time(child)) return;
      this.#swap(parent, child);
      child = parent;
    }
  }

  in(ms: number, happening: Happening): void {
    this.at(this.nowMs + ms, happening);
  }

  /** Lets everything happen that is due before this moment. */
  runUntil(endMs: number): void {
    while (this.#times.length > 0 && this.#time(0) < endMs) {
      this.nowMs = this.#time(0);
      this.#takeFirst()?.();
    }
    this.nowMs = endMs;
  }

  #takeFirst(): Happening | undefined {
    this.#swap(0, this.#times.length - 1);
    this.#times.pop();
    const first = this.#happenings.pop();
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1;
      let least = parent;
      if (left < this.#times.length && this.#time(left) < this.#time(least)) least = left;
      if (left + 1 < this.#times.length && this.#time(left + 1) < this.#time(least)) least = left + 1;
      if (least === parent) return first;
      this.#swap(parent, least);
      parent = least;
    }
  }

  #time(index: number): number {
    return this.#times[index] ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [time, happening] = [this.#times[a], this.#happenings[a]];
    this.#times[a] = this.#times[b] as number;
    this.#happenings[a] = this.#happenings[b] as Happening;
    this.#times[b] = time as number;
    this.#happenings[b] = happening as Happening;
  }
}

/** mulberry32: numbers from 0 up to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
