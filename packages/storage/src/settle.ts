import type { MaybePromise } from "@isomorph/interface";

/** Whether a result is still to come. */
export function isPending<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/**
 * The parts of one call that was split. The call ends when every part has ended, failed or not: until then the
 * caller's buffer is in use.
 */
export class Parts {
  #pending: Promise<unknown>[] | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** Runs one part, also when an earlier one failed. */
  run(part: () => MaybePromise<unknown>): void {
    try {
      const result = part();
      if (isPending(result)) {
        this.#pending ??= [];
        this.#pending.push(result);
      }
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  /** The end of the call: throws or rejects with the first failure. */
  end(): MaybePromise<void> {
    const failure = this.#failure;
    const pending = this.#pending;
    if (pending !== undefined) {
      return Promise.allSettled(pending).then((results) => {
        if (failure !== undefined) throw failure.error;
        for (const result of results) if (result.status === "rejected") throw result.reason;
      });
    }
    if (failure !== undefined) throw failure.error;
  }
}
