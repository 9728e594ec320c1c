/** Writes to a page beside its translated code, after which the page counts as data. */
const MAX_MISSES = 256;
/** Translations that are refused to such a page before it gets another chance; each time four times as many. */
const FIRST_REFUSALS = 16;
const MOST_REFUSALS = 1 << 20;

interface History {
  misses: number;
  /** Translations still to be refused. */
  refusals: number;
  /** How many are refused next time. */
  next: number;
}

/**
 * Which pages have data beside code and are written so often that translations of them are not worth their while. Frames are
 * used again for something else, by and by all of them: so none is data for good.
 */
export class DataPages {
  readonly #histories = new Map<number, History>();

  /** A page with translations was written, but none of them was. @returns whether it counts as data from now on. */
  missed(page: number): boolean {
    let history = this.#histories.get(page);
    if (history === undefined) {
      history = { misses: 0, refusals: 0, next: FIRST_REFUSALS };
      this.#histories.set(page, history);
    }
    if (++history.misses < MAX_MISSES) return false;
    history.misses = 0;
    history.refusals = history.next;
    history.next = Math.min(history.next * 4, MOST_REFUSALS);
    return true;
  }

  /** Whether a translation that somebody wants of the page is to be refused. */
  refuses(page: number): boolean {
    const history = this.#histories.get(page);
    if (history === undefined || history.refusals === 0) return false;
    history.refusals--;
    return true;
  }

  clear(): void {
    this.#histories.clear();
  }
}
