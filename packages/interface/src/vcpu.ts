import type { Snapshottable } from "./snapshot.ts";

/**
 * Why {@link Vcpu.run} returned:
 * - `budget`: the instructions are used up;
 * - `wait`: the hart executed WFI and no interrupt is pending;
 * - `firmware-call`: an environment call to the firmware that the VMM itself serves; `pc` is at the `ecall`;
 * - `trap-loop`: the hart traps without end, since its trap vector cannot be executed;
 * - `requested`: {@link Vcpu.requestExit} was called.
 */
export type VmExit = "budget" | "wait" | "firmware-call" | "trap-loop" | "requested";

/** A guest's processor as the VMM drives it. */
export interface Vcpu extends Snapshottable {
  /** The hart's number (`mhartid`). */
  readonly id: number;
  /**
   * Executes at most `budget` instructions (1 to 2^30 - 1) and says why it stopped. Traps of the guest are taken inside.
   * Between two calls the architectural state is exact and can be read and written.
   */
  run(budget: number): VmExit;
  /**
   * Drives the interrupt input `cause` (the bit number in `mip`). May be called while `run` is on the stack. The
   * software interrupt of S-mode is an edge: raising it sets the bit, which the guest clears.
   */
  setInterrupt(cause: number, level: boolean): void;
  /** Makes a `run` that is on the stack return soon, with `requested`. */
  requestExit(): void;
}
