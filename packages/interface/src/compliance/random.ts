/**
 * Pseudo-random numbers in `[0, 1)` that depend on `seed` alone (xorshift32), so that a failing case can be run again.
 */
export function seededRandom(seed: number): () => number {
  // The multiplication spreads small seeds; the state must not be zero.
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x2545f491 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}
