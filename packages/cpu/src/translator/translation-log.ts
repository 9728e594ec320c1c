/** A region that was translated, or a page with known regions that control got to. */
export interface LogRecord {
  /** Host address: of the region's begin, or in the page. */
  readonly host: number;
  /** What was in the page: a number of `contentsOf`. */
  readonly contents: number;
  /** Bits of `RegionKind`; undefined for a page. */
  readonly kinds: number | undefined;
}

const CAPACITY = 1 << 15;
const RECORD_WORDS = 4;
const KIND_SHIFT = 24;
const HIGH_MASK = (1 << KIND_SHIFT) - 1;
/** In the place of kinds. */
const PAGE = 0xff;

/**
 * The regions that a translator has made, each kind of each once, and the pages of known ones that it has seen, in memory
 * that another thread may read meanwhile: the number of records, then four words for each. When it is full, it ends.
 */
export class TranslationLog {
  /** Bytes that a log takes. */
  static readonly SIZE: number = 4 * (1 + CAPACITY * RECORD_WORDS);
  readonly #words: Int32Array;

  constructor(buffer: ArrayBufferLike) {
    this.#words = new Int32Array(buffer);
  }

  append({ host, contents, kinds = PAGE }: LogRecord): void {
    const words = this.#words;
    const count = words[0] as number;
    if (count >= CAPACITY) return;
    const at = 1 + count * RECORD_WORDS;
    words[at] = host | 0;
    words[at + 1] = contents | 0;
    words[at + 2] = Math.floor(contents / 2 ** 32) | (kinds << KIND_SHIFT);
    words[at + 3] = Math.floor(host / 2 ** 32);
    Atomics.store(words, 0, count + 1);
  }

  records(): LogRecord[] {
    const words = this.#words;
    return Array.from({ length: Atomics.load(words, 0) }, (_, index) => {
      const at = 1 + index * RECORD_WORDS;
      const last = words[at + 2] as number;
      const low = (words[at + 1] as number) >>> 0;
      const kinds = last >>> KIND_SHIFT;
      return {
        host: (words[at + 3] as number) * 2 ** 32 + ((words[at] as number) >>> 0),
        contents: (last & HIGH_MASK) * 2 ** 32 + low,
        kinds: kinds === PAGE ? undefined : kinds,
      };
    });
  }
}
