/** Milliseconds of host time that a slice is to take: how late a timer of a busy hart can be. */
const SLICE_MS = 1.5;
const FIRST_SLICE = 50_000;
const SHORTEST_SLICE = 2_000;
const LONGEST_SLICE = 1 << 24;

/** Finds out how many instructions a hart executes in a slice's time. */
export class SliceLength {
  #usual = FIRST_SLICE;

  /** Instructions for a slice that should end after so many milliseconds, if that is sooner than usual. */
  before(milliseconds: number): number {
    if (milliseconds >= SLICE_MS) return Math.floor(this.#usual);
    return Math.max(SHORTEST_SLICE, Math.floor((this.#usual * milliseconds) / SLICE_MS));
  }

  /** Tells what a slice of `budget` instructions took. */
  adapt(budget: number, isUsedUp: boolean, elapsed: number): void {
    if (!isUsedUp && elapsed <= SLICE_MS) return;
    const fitting = elapsed > 0 ? (budget * SLICE_MS) / elapsed : Number.POSITIVE_INFINITY;
    const next = Math.min(Math.max(fitting, this.#usual / 2), this.#usual * 2);
    this.#usual = Math.min(Math.max(next, SHORTEST_SLICE), LONGEST_SLICE);
  }
}
