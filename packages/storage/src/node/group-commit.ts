import type { MaybePromise } from "@isomorph/interface";

/** A call that makes all writes completed before it durable, and reports when it has. */
export type Sync = (done: (error: Error | null) => void) => void;

/**
 * Turns flushes into as few syncs as the order allows: a flush is answered by a sync that was submitted after the
 * last write the flush has to cover, and all flushes that wait for the next sync share it.
 *
 * A sync that failed may have dropped the data it could not store, and the host can report success for the next one.
 * So a failure is final: every later flush fails with it.
 */
export class GroupCommit {
  readonly #sync: Sync;
  /** Writes so far. What an earlier owner of the file wrote counts as one. */
  #written = 1;
  /** How many of them the latest sync covers. */
  #submitted = 0;
  /** How many of them are durable. */
  #durable = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #failure: Error | undefined;
  #syncs = 0;

  constructor(sync: Sync) {
    this.#sync = sync;
  }

  /** Syncs submitted so far. */
  get syncs(): number {
    return this.#syncs;
  }

  /** To be called after each write, whether or not it succeeded. */
  wrote(): void {
    this.#written++;
  }

  /** Completes when all that was written before this call is durable: at once when it is already. */
  flush(): MaybePromise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#durable >= this.#written) return;
    if (this.#running === undefined) return this.#next ?? this.#start();
    if (this.#submitted >= this.#written) return this.#running;
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<void> {
    const covered = this.#written;
    this.#submitted = covered;
    this.#syncs++;
    this.#running = new Promise((resolve, reject) => {
      this.#sync((error) => {
        this.#running = undefined;
        if (error === null) {
          this.#durable = covered;
          resolve();
        } else {
          this.#failure = error;
          reject(error);
        }
      });
    });
    return this.#running;
  }
}
