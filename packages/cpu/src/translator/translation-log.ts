/** A region that was translated. */
export interface LoggedTranslation {
  /** Host address. */
  readonly entry: number;
  /** What was in its page: a number of `contentsOf`. */
  readonly contents: number;
  /** Bits of `RegionKind`. */
  readonly kinds: number;
}

const CAPACITY = 1 << 15;
const RECORD_WORDS = 3;
const KIND_SHIFT = 24;
const HIGH_MASK = (1 << KIND_SHIFT) - 1;

/**
 * The regions that a translator has made, each kind of each once, in memory that another thread may read meanwhile:
 * the number of records, then three words for each. When it is full, it ends.
 */
export class TranslationLog {
  /** Bytes that a log takes. */
  static readonly SIZE: number = 4 * (1 + CAPACITY * RECORD_WORDS);
  readonly #words: Int32Array;

  constructor(buffer: ArrayBufferLike) {
    this.#words = new Int32Array(buffer);
  }

  append({ entry, contents, kinds }: LoggedTranslation): void {
    const words = this.#words;
    const count = words[0] as number;
    if (count >= CAPACITY) return;
    const at = 1 + count * RECORD_WORDS;
    words[at] = entry;
    words[at + 1] = contents | 0;
    words[at + 2] = Math.floor(contents / 2 ** 32) | (kinds << KIND_SHIFT);
    Atomics.store(words, 0, count + 1);
  }

  records(): LoggedTranslation[] {
    const words = this.#words;
    return Array.from({ length: Atomics.load(words, 0) }, (_, index) => {
      const at = 1 + index * RECORD_WORDS;
      const last = words[at + 2] as number;
      const low = (words[at + 1] as number) >>> 0;
      return {
        entry: (words[at] as number) >>> 0,
        contents: (last & HIGH_MASK) * 2 ** 32 + low,
        kinds: last >>> KIND_SHIFT,
      };
    });
  }
}
