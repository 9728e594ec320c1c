import { MMU_STATE_END, MmuState } from "@isomorph/mmu";

/**
 * A hart's block in the machine's WebAssembly memory, as byte offsets. The interpreter, translated code and
 * JavaScript share it. Values are little-endian, 8 bytes unless noted.
 */
const CpuState = {
  /** x0 to x31. x0 always holds zero. */
  X: 0x000,
  /** f0 to f31, singles NaN-boxed. */
  F: 0x100,
  /** Program counter. Exact whenever control is outside the interpreter and translated code. */
  PC: 0x200,
  /** Accrued floating-point exceptions (4 bytes). */
  FFLAGS: 0x208,
  /** Dynamic rounding mode (4 bytes). */
  FRM: 0x20c,
  /** Host address of the reservation plus one, 0 for none (4 bytes). */
  RESERVATION: 0x210,
  /** The value that LR read. */
  RESERVED_VALUE: 0x218,
  /** Instructions that this call of `run` may still execute (4 bytes); stored before anything reads a counter. */
  REMAINING: 0x220,
  /** Instructions retired before this call of `run`, plus its budget: `minstret` is this minus REMAINING plus a bias. */
  RETIRED_LIMIT: 0x228,
  /** What software's writes to `minstret` and `mcycle` added. */
  INSTRET_BIAS: 0x230,
  CYCLE_BIAS: 0x238,
  /** `mip` bits driven by hardware lines and by software together. */
  MIP: 0x240,
  MIE: 0x248,
  MIDELEG: 0x250,
  MEDELEG: 0x258,
  MTVEC: 0x260,
  MEPC: 0x268,
  MCAUSE: 0x270,
  MTVAL: 0x278,
  MSCRATCH: 0x280,
  MCOUNTEREN: 0x288,
  MCOUNTINHIBIT: 0x290,
  STVEC: 0x298,
  SEPC: 0x2a0,
  SCAUSE: 0x2a8,
  STVAL: 0x2b0,
  SSCRATCH: 0x2b8,
  SCOUNTEREN: 0x2c0,
  SENVCFG: 0x2c8,
  STIMECMP: 0x2d0,
  MHARTID: 0x2d8,
  /** Why `run` returned (4 bytes). */
  EXIT: 0x2e0,
  /** 1 when an `ecall` from S-mode goes to the VMM instead of M-mode (4 bytes). */
  FIRMWARE_IN_VMM: 0x2e4,
  /** Traps since the last retired instruction (4 bytes), to find trap loops. */
  TRAPS_IN_A_ROW: 0x2e8,
  /** RETIRED_LIMIT minus REMAINING at the last trap. */
  LAST_TRAP_INSTRET: 0x2f0,
  /** The interrupt inputs that devices drive, as `mip` bits; MIP's SEIP is this or software's. */
  LINES: 0x2f8,
  /** SEIP as M-mode software wrote it. */
  SOFTWARE_MIP: 0x300,
  /** 1 when `run` must return soon (4 bytes). */
  EXIT_REQUESTED: 0x308,
  /** Host address of the block to translate, for the exit that asks for it (4 bytes): see `hostFields`. */
  HOT_BLOCK: 0x30c,
  /** Host address of the region that left an instruction to the interpreter, 0 when its budget ended (4 bytes). */
  BAILED_REGION: 0x310,
  /** The same two where host addresses have 64 bits. */
  WIDE_HOT_BLOCK: 0x318,
  WIDE_BAILED_REGION: 0x320,
  /** Event counters, 8 bytes each; see counters.ts. Ends at 0x800. */
  COUNTERS: 0x700,
} as const;

/** Every field of a hart's block: the processor's own and those that address translation reads. */
export const State: typeof CpuState & typeof MmuState = { ...MmuState, ...CpuState };

/** Bytes of a hart's block. */
export const HART_STRIDE: number = MMU_STATE_END;
