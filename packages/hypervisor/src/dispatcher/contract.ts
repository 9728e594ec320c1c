import type { VmOutcome } from "../outcome.ts";
import type { HartScheduler } from "./hart-state.ts";

/** A timer outside the harts, such as `mtimer`. */
export interface PlatformTimer {
  /** When it fires next, in ticks; Infinity when it never will. */
  readonly deadline: number;
  /** Called when the deadline has passed: raises its interrupts and finds its next deadline. */
  expire(): void;
}

/** What the VMM does when a hart comes back to it; Popek and Goldberg's interpreter routines. */
export interface InterpreterRoutines {
  /** The hart stands at an `ecall` to the firmware that the VMM plays. */
  firmwareCall(hart: number): void;
  /** The hart cannot go on. */
  trapLoop(hart: number): void;
  /** Called after each slice, for test devices that live in RAM. */
  afterSlice?(): void;
}

/** When a run ends by itself. */
export interface RunLimits {
  readonly signal?: AbortSignal;
  readonly maxInstructions?: number;
}

/** Decides what runs next whenever control returns to the VMM: the dispatcher in the sense of Popek and Goldberg. */
export interface MachineDispatcher extends HartScheduler {
  /** Counters since construction. */
  readonly counters: Readonly<Record<string, number>>;
  /** Instructions retired by all harts since construction. */
  readonly instructions: number;
  /** Power-on: every hart is stopped until {@link HartScheduler.setState}. Between two runs only. */
  reset(): void;
  /** Runs the machine until it has an outcome, which it resolves to. One run at a time. */
  run(options?: RunLimits): Promise<VmOutcome>;
  /**
   * Ends the run with this outcome, soon; the first outcome counts. May be called while a hart runs. Between two runs it
   * ends the next one at once.
   */
  end(outcome: VmOutcome): void;
  /** Tells that an interrupt input of `hart` was raised. `urgent`: another hart is likely to wait for the answer. */
  wake(hart: number, urgent: boolean): void;
  /** A hart accesses a device. */
  accessed(): void;
  /** No hart runs and time stands still until {@link resume}. */
  pause(): void;
  resume(): void;
}
