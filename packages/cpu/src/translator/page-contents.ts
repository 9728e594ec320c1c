const PAGE_WORDS = 1024;
/** Bits of the second lane that a number holds besides the first one. */
const HIGH_BITS = 21;

/**
 * A number of 53 bits for what is in a page of 4096 bytes, the words being read in the host's order. Whoever makes two
 * pages have the same one gains that code is translated early which then is not worth it.
 *
 * @param words - The memory that has RAM.
 * @param page - Number of the page in it.
 */
export function contentsOf(words: Uint32Array, page: number): number {
  let low = 0x2545f491;
  let high = 0x1b873593;
  const end = (page + 1) * PAGE_WORDS;
  for (let at = page * PAGE_WORDS; at < end; at++) {
    const word = words[at] as number;
    low = Math.imul((low << 13) | (low >>> 19), 0x85ebca6b) ^ word;
    high = Math.imul(high ^ word, 0xc2b2ae35);
    high ^= high >>> 15;
  }
  return (mix(high) >>> (32 - HIGH_BITS)) * 2 ** 32 + (mix(low) >>> 0);
}

function mix(lane: number): number {
  const first = Math.imul(lane ^ (lane >>> 16), 0x7feb352d);
  const second = Math.imul(first ^ (first >>> 15), 0x846ca68b);
  return second ^ (second >>> 16);
}
