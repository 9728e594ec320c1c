/**
 * Fields of a hart's block that only this package knows, from 0x900 (`MmuState.CONTEXTS`) to 0xe00, as offsets from
 * the block. 8 bytes unless noted.
 */
export const Private = {
  /** Next context number to give out (4 bytes). */
  NEXT_CONTEXT: 0x900,
  /** Whether the supervisor context may hold entries of non-global pages (4 bytes). */
  SUPERVISOR_HOLDS_LOCAL: 0x904,
  /** Context of S-mode without access to user pages, for all address spaces; 0 when there is none (tag position). */
  SUPERVISOR: 0x908,
  /** Context of loads under MXR, 0 when there is none (tag position), and the mode and SUM it stands for. */
  MXR: 0x910,
  MXR_KEY: 0x918,
  /** Offset from the block of the current ASID's slot (4 bytes). */
  SLOT: 0x920,
  /** What the last walk found: PTE bits 1 to 7, and {@link LEAF_SUPERPAGE} (4 bytes). */
  LEAF: 0x924,
  /** Guest physical address of the last access that was allowed but is not in RAM. */
  PHYSICAL: 0x928,
  /** One bit for each hash of a 1 GiB range in which a piece of a superpage may be in the TLB (64 bytes). */
  SUPERPAGES: 0x940,
  /** The PMP entries that can match, decoded, in order: {@link PmpEntry} (16 times 24 bytes). */
  PMP: 0x980,
  /** Contexts of recently used address spaces: {@link Slot}. */
  SLOTS: 0xc00,
} as const;

/** Set in LEAF when the page is part of a superpage. */
export const LEAF_SUPERPAGE = 0x100;

/** A decoded PMP entry: the first and last byte it covers, and its configuration byte (4 bytes). */
export const PmpEntry = { FIRST: 0, LAST: 8, CONFIG: 16, SIZE: 24 } as const;

/** The contexts of one ASID, 0 when there is none, in tag position (2 bytes each). ASID plus one comes first (4 bytes). */
export const Slot = { ASID: 0, USER: 4, SUPERVISOR_SUM: 6, SIZE: 8 } as const;
/** Slots; an ASID has the one at its low bits. */
export const SLOT_COUNT = 64;

/** Context of M-mode, in tag position. */
export const CONTEXT_MACHINE: number = 1 << 3;
/** Context of S-mode and U-mode without translation. */
export const CONTEXT_BARE: number = 2 << 3;
/** First context number for translated accesses, and the last that there is. */
export const FIRST_CONTEXT = 3;
export const LAST_CONTEXT = 511;
