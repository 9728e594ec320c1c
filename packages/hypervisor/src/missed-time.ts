/** Milliseconds after which to look again, also while nothing is to be done. */
export const LOOK_MS = 1000;

/** Milliseconds by which the wall clock has to be ahead before it is followed. */
const TOLERANCE_MS = 1000;

/** The least milliseconds in a step. Kernels call a processor stuck that lets some 20 seconds pass without a timer. */
const STEP_MS = 4000;
/** A long absence is made up for in so many steps at most. */
const MOST_STEPS = 5000;

/**
 * Time that a monotonic clock has missed because the host was suspended: `performance.now()` stands still then in Node on
 * Linux and in most browsers, and the host's wall clock is ahead of it afterwards.
 *
 * It is made up for in steps, so that a guest serves its timers in between: after a jump of hours kernels would report
 * stalls, watchdogs would end services, and products of ticks and scale factors would overflow. A wall clock that is
 * set forwards is followed likewise; one that is set back is not, and what it is set forwards afterwards counts from
 * where it was.
 */
export class MissedTime {
  readonly #now: () => number;
  readonly #wall: () => number;
  /** By how much the wall clock is ahead of the monotonic one, as far as that is known. */
  #lead: number;
  /** Milliseconds still to be made up for, and in a step. */
  #behind = 0;
  #step = 0;

  /** Both give milliseconds. */
  constructor(now: () => number, wall: () => number) {
    this.#now = now;
    this.#wall = wall;
    this.#lead = wall() - now();
  }

  /** What has been missed so far is of no concern. */
  forget(): void {
    this.#lead = this.#readLead();
    this.#behind = 0;
  }

  /** The same, but a wall clock that was set back remains known as such. */
  skip(): void {
    this.#lead = Math.max(this.#lead, this.#readLead());
  }

  /** Milliseconds to move on by, now: 0 when nothing was missed. Otherwise there may be more. */
  take(): number {
    const gap = this.#readLead() - this.#lead;
    if (gap > TOLERANCE_MS) {
      this.#lead += gap;
      this.#behind += gap;
      this.#step = Math.max(STEP_MS, this.#behind / MOST_STEPS);
    }
    const step = Math.min(this.#step, this.#behind);
    this.#behind -= step;
    return step;
  }

  /** Whoever is stopped between the two readings sees a lead that is too small, which does no harm. */
  #readLead(): number {
    const wall = this.#wall();
    return wall - this.#now();
  }
}
