import type { Clock, GuestMemory, Log, MmioBus, Vcpu } from "@isomorph/interface";
import type { ProcessorThreads } from "./threads/processor-threads.ts";

/** What a processor is plugged into. */
export interface ProcessorEnvironment {
  /** GPA of RAM, a multiple of 4096. */
  readonly memoryBase: number;
  /** Bytes of RAM, a multiple of 4096. Some 4 GiB and more need an engine with WebAssembly memories of 64-bit addresses. */
  readonly memorySize: number;
  /** Number of harts, 1 to 8. */
  readonly harts: number;
  /** Serves every physical access that RAM does not. */
  readonly bus: MmioBus;
  /** What `time` reads. */
  readonly clock: Clock;
  /**
   * Who runs in M-mode. `vmm`: nobody; the hart starts in S-mode, traps go to S-mode, an `ecall` from S-mode makes
   * `run` return `firmware-call`. `guest`: the hart starts in M-mode with nothing delegated, as real hardware does.
   */
  readonly firmware: "vmm" | "guest";
  readonly log: Log;
  /**
   * Whether each hart is to run in a thread of its own. The processor then executes nothing itself: see
   * {@link Processor.threads}. The host must have shared memory.
   */
  readonly threads?: boolean | undefined;
}

/** Makes the processor of a machine. `riscv64()` returns one of these: configure, then inject. */
export type ProcessorFactory = (environment: ProcessorEnvironment) => Processor;

/** The harts of one machine and the RAM they share. */
export interface Processor {
  readonly memory: GuestMemory;
  readonly harts: readonly Hart[];
  /** The device tree's description of each hart. */
  readonly devicetree: {
    /** `riscv,isa`, such as `rv64imafdc_zicsr_...`. */
    readonly isa: string;
    /** `riscv,isa-extensions`. */
    readonly isaExtensions: readonly string[];
    /** `mmu-type`, such as `riscv,sv57`. */
    readonly mmuType: string;
    /** Bytes in a block of the cache-block instructions. */
    readonly cacheBlockSize: number;
  };
  /** Counters since the processor was made, all harts together: {@link PROCESSOR_COUNTERS} says what each one counts. */
  counters(): Readonly<Record<string, number>>;
  /**
   * What code was worth translating so far, for the option `translations` of a processor that executes the same code
   * afresh, or goes on from here: some kilobytes, which say where code begins and by a hash what is in its page. Throws a
   * TypeError where the processor was made without that option.
   */
  translations(): Uint8Array<ArrayBuffer>;
  /** What the harts' threads need, and how they are served. Undefined where the harts run here, by `Hart.run`. */
  readonly threads?: ProcessorThreads | undefined;
  close(): void;
}

/** Privilege modes by their encoding. */
export const PrivilegeMode = { USER: 0, SUPERVISOR: 1, MACHINE: 3 } as const;
export type PrivilegeMode = (typeof PrivilegeMode)[keyof typeof PrivilegeMode];

/** A RISC-V hart. Registers may be read and written between two calls of `run`. */
export interface Hart extends Vcpu {
  /** Program counter, unsigned 64-bit. */
  pc: bigint;
  mode: PrivilegeMode;
  /** x0 to x31 as unsigned 64-bit values. Writes to x0 are ignored. */
  readRegister(index: number): bigint;
  writeRegister(index: number, value: bigint): void;
  /** x register as a number; exact where its signed value fits 2^53. For arguments of firmware calls. */
  registerAsNumber(index: number): number;
  /** f0 to f31 as raw 64-bit patterns. */
  readFloatRegister(index: number): bigint;
  writeFloatRegister(index: number, value: bigint): void;
  /** A CSR's value, whatever the current mode. Throws a RangeError when there is no such CSR. */
  readCsr(address: number): bigint;
  /** Writes a CSR with its WARL rules, whatever the current mode. */
  writeCsr(address: number, value: bigint): void;
  /** Instructions retired since power-on: an exact integer. */
  readonly instructionsRetired: number;
  /**
   * When the supervisor timer fires next, in ticks of the clock: `stimecmp`. Infinity when it never will.
   * The VMM sleeps until then after `wait`.
   */
  readonly timerDeadline: number;
  /** For a VMM-served SBI: sets `stimecmp` (unsigned ticks; Infinity disarms) and clears or raises STIP accordingly. */
  setTimer(deadline: number): void;
  /** Whether an enabled interrupt is pending, so that a hart in WFI must run again. */
  readonly interruptPending: boolean;
  /** Executes as if `fence.i` and `sfence.vma x0, x0` came: remote fences of other harts arrive here. */
  fence(kind: "instruction" | "address-translation"): void;
  /** Power-on state with this `pc`, `a0` and `a1` and the start mode of the environment. */
  reset(start: { pc: number; a0: number; a1: number }): void;
  /** Virtual to physical for a debugger or loader: the GPA that `gva` reads from in the current mode, or undefined. */
  translate(gva: bigint): number | undefined;
}
