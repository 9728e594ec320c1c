/** Bits in one chunk of the map: 16 MiB of disk at 512 bytes a bit. */
const CHUNK_BITS = 32768;
const CHUNK_WORDS = CHUNK_BITS / 32;
/** Stands for every chunk whose bits are all set; never written. */
const FULL = new Uint32Array(CHUNK_WORDS).fill(0xffff_ffff);

/**
 * A set of block numbers that only grows. Memory follows what is set: 4 KiB for a chunk set in part, nothing for one
 * that is empty or full.
 */
export class BlockBitmap {
  readonly #chunks = new Map<number, Uint32Array>();
  #count = 0;

  /** How many numbers are in the set. */
  get count(): number {
    return this.#count;
  }

  has(block: number): boolean {
    const bit = block % CHUNK_BITS;
    const chunk = this.#chunks.get((block - bit) / CHUNK_BITS);
    return chunk !== undefined && ((chunk[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  /** Adds `[from, to)`. */
  add(from: number, to: number): void {
    for (let block = from; block < to; ) {
      const bit = block % CHUNK_BITS;
      const index = (block - bit) / CHUNK_BITS;
      const end = Math.min(CHUNK_BITS, to - index * CHUNK_BITS);
      this.#addToChunk(index, bit, end);
      block = index * CHUNK_BITS + end;
    }
  }

  /** The first block in `(from, to)` that is not in the set when `from` is, or is when `from` is not; else `to`. */
  runEnd(from: number, to: number): number {
    const inside = this.has(from);
    const same = inside ? 0xffff_ffff : 0;
    for (let block = from; block < to; ) {
      const bit = block % CHUNK_BITS;
      const start = block - bit;
      const chunk = this.#chunks.get(start / CHUNK_BITS);
      if (chunk === undefined || chunk === FULL) {
        if ((chunk === FULL) !== inside) return block;
        block = start + CHUNK_BITS;
        continue;
      }
      const word = bit >>> 5;
      // Bits below `bit` count as equal; then the lowest differing bit ends the run.
      const differing = ((chunk[word] ?? 0) ^ same) & (-1 << (bit & 31));
      if (differing !== 0) return Math.min(to, start + word * 32 + (31 - Math.clz32(differing & -differing)));
      block = start + (word + 1) * 32;
    }
    return to;
  }

  #addToChunk(index: number, from: number, to: number): void {
    let chunk = this.#chunks.get(index);
    if (chunk === FULL) return;
    if (from === 0 && to === CHUNK_BITS) {
      this.#count +=
        CHUNK_BITS - (chunk === undefined ? 0 : chunk.reduce((sum, word) => sum + ones(word), 0));
      this.#chunks.set(index, FULL);
      return;
    }
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK_WORDS);
      this.#chunks.set(index, chunk);
    }
    for (let bit = from; bit < to; ) {
      const word = bit >>> 5;
      const stop = Math.min(to, (word + 1) * 32);
      const width = stop - bit;
      const mask = width === 32 ? -1 : ((1 << width) - 1) << (bit & 31);
      const before = chunk[word] ?? 0;
      this.#count += ones(mask & ~before);
      chunk[word] = before | mask;
      bit = stop;
    }
  }
}

/** Number of bits set in a 32-bit word. */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
