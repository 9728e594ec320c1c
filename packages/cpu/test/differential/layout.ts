/** Where things lie in the RAM of a differential run. All offsets in bytes. */

/** Guest physical address of RAM, as on QEMU's `virt` board. */
export const RAM_BASE = 0x8000_0000;
/** QEMU puts a device tree into the last 2 MiB. */
export const RAM_SIZE: number = 32 << 20;

/** Writing FINISHED here ends the run: the SiFive test device of the `virt` board. */
export const FINISHER = 0x10_0000;
export const FINISHED = 0x5555;

/** `mtimecmp` of hart 0 in the ACLINT of the `virt` board. */
export const MACHINE_TIMER_COMPARE = 0x200_4000;

/** What the harness keeps between two traps. Its address has bit 17 set and else only bits that mstatus ignores. */
export const CONTEXT = 0x8002_0000;
export const Context = {
  /** Below it x25 to x31 of the sequence at a trap, at 8 * number. */
  MSTATUS: 256,
  RECORD: 264,
  LOG: 272,
  TRAPS_LEFT: 280,
  END: 288,
} as const;

/** Page tables; each is one page. */
export const Table = {
  /** Level 0 of the data pages. */
  DATA: 0x8003_0000,
  /** Level 0 of the code. */
  CODE: 0x8003_1000,
  /** Level 0 of the S-mode trap vector. */
  VECTOR: 0x8003_2000,
  LEVEL1: 0x8003_3000,
  ROOT39: 0x8003_4000,
  ROOT48: 0x8003_5000,
  ROOT57: 0x8003_6000,
} as const;

/** The S-mode trap vector: 64 entries of 4 bytes, then the return. */
export const S_VECTOR = 0x8003_8000;
export const S_VECTOR_BYTES = 256;

/** Pages for data. */
export const SCRATCH = 0x8004_0000;
export const SCRATCH_PAGES = 16;

/** Code of the sequences, one slot each; every sixteenth slot crosses into the next page. */
export const CODE = 0x8010_0000;
export const CODE_SLOT = 256;
/** The slots of a page start here, so that the last one straddles its end. */
export const CODE_SHIFT = 0x90;
/** Longest code of a sequence. */
export const CODE_BYTES = 192;

/**
 * Level-1 slots of the fourth gigabyte: virtual addresses are `(3 << 30) + (slot << 21)`. As physical addresses
 * they are free on the `virt` board.
 */
export const Level1Slot = { DATA: 1, CODE: 2, VECTOR: 3, SUPERPAGE: 4, ODD: 5 } as const;

/** The virtual address of a level-1 slot, in the lower half of the address space. */
export function slotAddress(slot: number): bigint {
  return (3n << 30n) + (BigInt(slot) << 21n);
}

/** Records follow the code. */
export const RECORDS = 0x8021_0000;
export const RECORD_BYTES = 3072;
/** More would not fit the translator's table of regions, of which a sequence takes about nine. */
export const MAX_RECORDS = 1024;
/** No code is from here on. */
export const CODE_END: number = CODE + (MAX_RECORDS + 1) * CODE_SLOT;

/** CSRs that a record sets, in the order in which the harness writes them. */
export const INPUT_CSRS = [
  "menvcfg",
  "stimecmp",
  "senvcfg",
  "mcounteren",
  "scounteren",
  "medeleg",
  "mideleg",
  "mie",
  "mip",
  "pmpaddr0",
  "pmpaddr1",
  "pmpaddr2",
  "pmpaddr3",
  "pmpcfg0",
  "stvec",
  "sepc",
  "scause",
  "stval",
  "satp",
  "fcsr",
] as const;
export type InputCsr = (typeof INPUT_CSRS)[number];

/** CSRs that the harness stores after the sequence. */
export const OUTPUT_CSRS = [
  "sstatus",
  "mie",
  "mip",
  "mideleg",
  "medeleg",
  "satp",
  "stvec",
  "sepc",
  "scause",
  "stval",
  "mepc",
  "mcause",
  "mtval",
  "mcounteren",
  "scounteren",
  "menvcfg",
  "senvcfg",
  "pmpcfg0",
  "pmpaddr0",
  "pmpaddr1",
  "pmpaddr2",
  "pmpaddr3",
  "stimecmp",
  "fcsr",
] as const;

export const MAX_WINDOWS = 32;
export const MAX_TRAPS = 12;
export const TRAP_BYTES = 64;

/** A trap in the log, as dwords. The last three only for traps that S-mode took. */
export const TRAP_FIELDS = ["mcause", "mtval", "mepc", "mstatus", "mip", "scause", "stval", "sepc"] as const;

/** `mstatus` with 64-bit S- and U-mode and the floating-point unit on. */
export const MSTATUS_BASE = 0xa_0000_6000n;

const REGISTERS = 56 + 8 * INPUT_CSRS.length;

/** A record. Offsets up to 2047 from its start. */
export const Input: Readonly<
  Record<
    | "CODE_VIRTUAL"
    | "CODE_PHYSICAL"
    | "ENTRY"
    | "MSTATUS"
    | "S_VECTOR"
    | "TRAPS_LEFT"
    | "WINDOW_COUNT"
    | "CSRS"
    | "X"
    | "F"
    | "LENGTHS"
    | "WINDOWS",
    number
  >
> = {
  /** Where the code runs, as a virtual address and as a physical one. */
  CODE_VIRTUAL: 0,
  CODE_PHYSICAL: 8,
  /** The pc to start at. */
  ENTRY: 16,
  MSTATUS: 24,
  S_VECTOR: 32,
  TRAPS_LEFT: 40,
  WINDOW_COUNT: 48,
  CSRS: 56,
  X: REGISTERS,
  F: REGISTERS + 256,
  /** A byte for each halfword of the code: the length of the instruction there, 0 where none starts. */
  LENGTHS: REGISTERS + 512,
  /** Pairs of an address and a value: stored before the sequence, and read into the value after it. */
  WINDOWS: REGISTERS + 512 + CODE_BYTES / 2,
};

/** What the harness stores after the sequence, from OUTPUT on. */
export const OUTPUT = 1536;
export const Output: Readonly<Record<"X" | "F" | "MSTATUS" | "TRAPS" | "CSRS" | "LOG", number>> = {
  X: 0,
  F: 256,
  /** mstatus at the last trap. */
  MSTATUS: 512,
  TRAPS: 520,
  CSRS: 528,
  LOG: 528 + 8 * OUTPUT_CSRS.length,
};
