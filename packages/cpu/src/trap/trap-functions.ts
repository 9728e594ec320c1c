import type { FunctionRef } from "@isomorph/wasm";

/** What the privileged functions need from the rest of the processor. */
export interface TrapEnvironment {
  readonly mmu: {
    /** MODE or a memory privilege field of `mstatus` changed. */
    readonly contextsChanged: FunctionRef<readonly ["i32"], undefined>;
    /** `satp` changed; gets the old value. */
    readonly satpChanged: FunctionRef<readonly ["i32", "i64"], undefined>;
    /** A PMP register changed. */
    readonly pmpChanged: FunctionRef<readonly ["i32"], undefined>;
  };
  readonly imports: {
    /** Ticks of the machine's clock: an integer that is not negative. */
    readonly time: FunctionRef<readonly [], "f64">;
  };
}

/** Functions of the processor's module that change the privilege mode. The first parameter is the hart's block. */
export interface TrapFunctions {
  /**
   * Takes a trap: `(state, cause, tval)`, with bit 63 of `cause` set for an interrupt. `xepc` gets PC, which must be
   * exact; PC becomes the handler's address.
   *
   * Contract with the interpreter: REMAINING was decremented for the instruction that raises an exception, also when
   * its fetch faulted. An instruction that raises an exception consumes budget and does not retire (section 3.3.1),
   * so this takes one off RETIRED_LIMIT. For an interrupt nothing was decremented and nothing is taken off.
   */
  readonly takeTrap: FunctionRef<readonly ["i32", "i64", "i64"], undefined>;
  /** `(state)`: the interrupt to take now as `cause` with bit 63 set, or 0. */
  readonly pendingInterrupt: FunctionRef<readonly ["i32"], "i64">;
  /** `(state)`: MRET. Whether it is legal is the caller's to check. */
  readonly mret: FunctionRef<readonly ["i32"], undefined>;
  /** `(state)`: SRET. Whether it is legal is the caller's to check. */
  readonly sret: FunctionRef<readonly ["i32"], undefined>;
  /** `(state)`: makes `mip.STIP` follow `time` and `stimecmp` while `menvcfg.STCE` is set. */
  readonly updateTimer: FunctionRef<readonly ["i32"], undefined>;
}
