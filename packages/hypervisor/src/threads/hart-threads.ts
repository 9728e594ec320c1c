import type { ProcessorShare } from "@isomorph/cpu/threads";
import type { MaybePromise } from "@isomorph/interface";

/** What a hart's thread is started with. Can be sent to it as it is (structured clone). */
export interface HartStart {
  readonly share: ProcessorShare;
  readonly hart: number;
  /** Whether the VMM serves the SBI: then some of its calls are served in the thread. */
  readonly hasSbi: boolean;
}

/** A thread that runs a hart. */
export interface HartHandle {
  /** Resolves when the thread is there; rejects when it could not be started. */
  readonly ready: Promise<void>;
  /** Ends the thread at once. */
  terminate(): MaybePromise<void>;
}

/**
 * Where the threads of harts come from: `nodeThreads()` of `@isomorph/hypervisor/node` or `webThreads()` of
 * `@isomorph/hypervisor/web`.
 */
export interface HartThreads {
  /** Milliseconds of a clock that never goes back and is the same in every thread. */
  now(): number;
  /** Starts a thread that runs `runHart(start)`. `onfailure` hears of it once if the thread ends by itself. */
  spawn(start: HartStart, onfailure: (error: unknown) => void): HartHandle;
}
