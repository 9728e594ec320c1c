/** Entries at most: when there are as many, each second one goes and half as many are kept from then on. */
const MAX_ENTRIES = 1 << 18;

/** A stretch of time that a hart ran. */
export interface TimelineEntry {
  /** Milliseconds since the profile began. */
  readonly start: number;
  readonly milliseconds: number;
  /** {@link CallNode.id} of the sample at its end. */
  readonly node: number;
}

/** When which sample was taken, in bounded memory: a long run's is coarser, not longer. */
export class Timeline {
  readonly #ends = new Float64Array(MAX_ENTRIES);
  readonly #durations = new Float32Array(MAX_ENTRIES);
  readonly #nodes = new Uint32Array(MAX_ENTRIES);
  #length = 0;
  /** One of so many samples is kept; the time of the others is added to it. */
  #stride = 1;
  #skipped = 0;
  #skippedTime = 0;

  add(end: number, milliseconds: number, node: number): void {
    if (++this.#skipped < this.#stride) {
      this.#skippedTime += milliseconds;
      return;
    }
    if (this.#length === MAX_ENTRIES) this.#thin();
    this.#ends[this.#length] = end;
    this.#durations[this.#length] = milliseconds + this.#skippedTime;
    this.#nodes[this.#length] = node;
    this.#length++;
    this.#skipped = 0;
    this.#skippedTime = 0;
  }

  /** Entries in order, none of which begins before the one before it ends. */
  *[Symbol.iterator](): Generator<TimelineEntry> {
    let last = 0;
    for (let index = 0; index < this.#length; index++) {
      const end = Math.max(this.#ends[index] as number, last);
      const start = Math.max(end - (this.#durations[index] as number), last);
      yield { start, milliseconds: end - start, node: this.#nodes[index] as number };
      last = end;
    }
  }

  #thin(): void {
    for (let index = 0; index < MAX_ENTRIES / 2; index++) {
      this.#ends[index] = this.#ends[2 * index + 1] as number;
      const both = (this.#durations[2 * index] as number) + (this.#durations[2 * index + 1] as number);
      this.#durations[index] = both;
      this.#nodes[index] = this.#nodes[2 * index + 1] as number;
    }
    this.#length = MAX_ENTRIES / 2;
    this.#stride *= 2;
  }
}
