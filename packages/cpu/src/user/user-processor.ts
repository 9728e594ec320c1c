import type { Clock, GuestMemory } from "@isomorph/interface";
import type { Hart } from "../processor.ts";
import type { TranslationsOptions } from "../translations.ts";

/** What a processor for user programs is made of. */
export interface UserOptions extends TranslationsOptions {
  /**
   * Lowest address of the address space, a multiple of 4096. What is below is not there, so that null pointers fault:
   * programs are linked for 0x10000 and above.
   */
  readonly memoryBase: number;
  /** Bytes of the address space, a multiple of 4096, less than 4 GiB. All of it may be read, written and executed. */
  readonly memorySize: number;
  /** What `time` reads. */
  readonly clock: Clock;
  /**
   * Harts that share the address space, 1 to 8. They take turns: nothing of them runs but in {@link UserHart.run}.
   * @defaultValue 1
   */
  readonly harts?: number;
  /**
   * How often a jump target is reached before its code is translated to WebAssembly. 0 only interprets.
   * @defaultValue 500
   */
  readonly translationThreshold?: number;
}

/** Harts in user mode, and the memory that is their address space. */
export interface UserProcessor {
  /**
   * The address space; a GPA is an address of the program. Whoever writes code here says so by `markDirty`, before the
   * program gets there: neither these writes nor the program's own stores are noticed otherwise.
   */
  readonly memory: GuestMemory;
  readonly harts: readonly UserHart[];
  /** Counters since the processor was made, all harts together: those of {@link PROCESSOR_COUNTERS} that apply. */
  counters(): Readonly<Record<string, number>>;
  /** What code was worth translating so far: see `Processor.translations`. */
  translations(): Uint8Array<ArrayBuffer>;
  close(): void;
}

/**
 * Why `UserHart.run` returned. `trap`: the instruction at `pc` raised an exception, and did nothing else. `budget`: so
 * many instructions were executed. `requested`: {@link UserHart.requestExit} was called.
 */
export type UserExit = "trap" | "budget" | "requested";

/**
 * A hart that only ever is in U-mode. Registers may be read and written between two calls of `run`. It starts with all
 * registers zero.
 */
export interface UserHart
  extends Pick<
    Hart,
    | "id"
    | "readRegister"
    | "writeRegister"
    | "registerAsNumber"
    | "readFloatRegister"
    | "writeFloatRegister"
    | "instructionsRetired"
    | "requestExit"
  > {
  /** Program counter, unsigned 64-bit. Throws a RangeError for an odd one. */
  pc: bigint;
  /** Floating-point control and status: the rounding mode in bits 5 to 7, accrued exceptions in bits 0 to 4. */
  fcsr: number;
  /** Executes at most `budget` instructions, from 1 to 2^30 - 1; an instruction that traps is one of them. */
  run(budget: number): UserExit;
  /**
   * The exception code of the last trap (privileged specification 20240411, section 3.1.15): 8 for `ecall`, 3 for
   * `ebreak`, 2 for illegal instructions, 1, 5 and 7 for fetches, loads and stores outside the address space, 4 and 6
   * for atomics that are not aligned. After `ecall` a program goes on behind it: the embedder adds 4 to `pc`.
   */
  readonly trapCause: number;
  /** Its `tval`, unsigned 64-bit: the address of a fault, the encoding of an illegal instruction, else zero or `pc`. */
  readonly trapValue: bigint;
  /** Makes code that was stored to memory visible to this hart's fetches, as its own `fence.i` does. */
  fenceInstruction(): void;
}
