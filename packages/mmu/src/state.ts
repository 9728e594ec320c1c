/**
 * The part of a hart's state that address translation reads, as byte offsets from the hart's block in the machine's
 * WebAssembly memory. Registers live below {@link MMU_STATE_START}; the cpu package lays those out.
 * All values are little-endian; fields are 8 bytes unless noted.
 */
export const MMU_STATE_START = 0x800;

export const MmuState = {
  /** `mstatus`, complete. */
  MSTATUS: 0x800,
  /** `satp`, complete. */
  SATP: 0x808,
  /** `menvcfg`, complete; ADUE (bit 61) decides who updates A and D bits. */
  MENVCFG: 0x810,
  /** Current privilege mode, 0, 1 or 3 (4 bytes). */
  MODE: 0x818,
  /** TLB context of loads and stores, already shifted into tag position (8 bytes, only bits 3 to 11 are set). */
  DATA_CONTEXT: 0x820,
  /** TLB context of instruction fetches, in tag position. */
  FETCH_CONTEXT: 0x828,
  /** Set to the exception code plus one when an access faulted, else 0 (4 bytes). */
  FAULT: 0x830,
  /** The address for `tval` of that fault. */
  FAULT_ADDRESS: 0x838,
  /** Not 0 when something asked for interrupts to be looked at (4 bytes): set by device accesses and CSR writes. */
  ATTENTION: 0x840,
  /** Bytes from the last fetched address on that may be executed without asking again (4 bytes). */
  FETCH_RUN: 0x844,
  /** `pmpcfg0` to `pmpcfg15` as the 16 configuration bytes in order of entry. */
  PMPCFG: 0x850,
  /** `pmpaddr0` to `pmpaddr15`. */
  PMPADDR: 0x860,
  /** Number of PMP entries whose mode is not OFF (4 bytes): 0 makes every check a single test. */
  PMP_ACTIVE: 0x8e0,
  /** Private to the TLB: context allocation. Ends at 0xe00. */
  CONTEXTS: 0x900,
  /** Event counters: {@link MmuCounter}. Ends at 0x1000. */
  MMU_COUNTERS: 0xe00,
} as const;

/** Event counters of address translation, as byte offsets from the hart's block, 8 bytes each. */
export const MmuCounter = {
  /** Loads, stores and fetches that the TLB did not answer; MMIO is among the loads and stores, it is never in the TLB. */
  LOAD_MISSES: 0xe00,
  STORE_MISSES: 0xe08,
  FETCH_MISSES: 0xe10,
  /** Walks of page tables: misses under translation. */
  WALKS: 0xe18,
  /** Pages that were entered into the TLB. */
  REFILLS: 0xe20,
  /** Fences that forgot all translated entries: `SFENCE.VMA` for everything, or for a superpage's piece. */
  FLUSHES: 0xe28,
  /** Accesses that a device answered. */
  MMIO_READS: 0xe30,
  MMIO_WRITES: 0xe38,
} as const;

/** Entries of a hart's TLB. */
export const TLB_ENTRIES = 4096;

/**
 * A hart's TLB of loads and stores: direct mapped by virtual page number, shared by all modes and address spaces, which a context number
 * in the tag keeps apart.
 *
 * A tag is `page address | context << 3`; contexts run from 1 to 511. An access of `size` bytes hits when
 * `(va & (-4096 | (size - 1))) | context` equals the tag: an access that is not aligned never hits. Zero is no tag.
 */
export const Tlb = {
  /** Offset of entry 0 from the hart's block. */
  START: 0x1000,
  ENTRY_SIZE: 32,
  /** Tag for loads (8 bytes). */
  READ: 0,
  /** Tag for stores. Absent on pages that hold translated code or whose first write must be seen. */
  WRITE: 8,
  /** Host address minus guest virtual address, as wide as host addresses (4 or 8 bytes). */
  ADDEND: 24,
} as const;

/** Offset of a hart's TLB of fetches from the hart's block, and its bytes; `FetchTlbLayout` is what is in it. */
export const FETCH_TLB_START = 0x21000;
export const FETCH_TLB_SIZE = 0x10000;

/** Bytes of state and TLBs together; what follows in the hart's block is the cpu package's. */
export const MMU_STATE_END: number = FETCH_TLB_START + FETCH_TLB_SIZE;

/** Bits of a byte in the page-flag array, one byte for each 4 KiB page of RAM. */
export const PageFlag = {
  /** Code was translated from this page. */
  CODE: 1,
  /** The page was written since dirty tracking last looked. */
  DIRTY: 2,
} as const;

/** Kinds of access, as the functions of this package take them. */
export const Access = { READ: 0, WRITE: 1, FETCH: 2 } as const;
