/** Bits of a page table entry (privileged specification 20240411, sections 4.3.1 and 4.4.1). */
export const Pte = {
  V: 0x01,
  R: 0x02,
  W: 0x04,
  X: 0x08,
  U: 0x10,
  G: 0x20,
  A: 0x40,
  D: 0x80,
} as const;

/** Bit at which a PTE's physical page number starts, and its width. */
export const PTE_PPN_SHIFT = 10;
export const PTE_PPN_BITS = 44;
/** Bits of an offset within a page, and of an index into one table. */
export const PAGE_BITS = 12;
export const VPN_BITS = 9;
export const PTE_SIZE = 8;
/** Bits of a physical address. */
export const PHYSICAL_BITS = 56;

/** Fields of `satp` on RV64 (section 4.1.11). */
export const Satp = { MODE_SHIFT: 60, ASID_SHIFT: 44, ASID_BITS: 16, PPN_BITS: 44 } as const;

/** A page-based virtual-memory scheme of RV64. All have 4 KiB pages and tables of 512 entries of 8 bytes. */
export interface PageTableFormat {
  readonly name: "sv39" | "sv48" | "sv57";
  /** MODE in `satp`. */
  readonly satpMode: number;
  /** Levels of tables. A leaf at level `i`, counted from 0, maps `4096 << (9 * i)` bytes. */
  readonly levels: number;
  /** Bits of a virtual address; those above equal the highest of these. */
  readonly virtualBits: number;
}

/** Section 4.4. */
export const SV39: PageTableFormat = { name: "sv39", satpMode: 8, levels: 3, virtualBits: 39 };
/** Section 4.5. */
export const SV48: PageTableFormat = { name: "sv48", satpMode: 9, levels: 4, virtualBits: 48 };
/** Section 4.6. */
export const SV57: PageTableFormat = { name: "sv57", satpMode: 10, levels: 5, virtualBits: 57 };

/** The index into the table at `level` for a virtual address. */
export function vpnIndex(va: bigint, level: number): number {
  return Number((va >> BigInt(PAGE_BITS + VPN_BITS * level)) & 0x1ffn);
}

/** Bytes that a leaf at `level` maps. */
export function pageSizeAt(level: number): number {
  return 2 ** (PAGE_BITS + VPN_BITS * level);
}

/** Whether the bits of `va` above the format's are copies of its highest. */
export function isCanonical(va: bigint, { virtualBits }: PageTableFormat): boolean {
  return BigInt.asIntN(64, va) === BigInt.asIntN(virtualBits, va);
}

/** A page table entry for a physical address, a multiple of 4096, with the given low ten bits. */
export function encodePte(physicalAddress: number, flags: number): bigint {
  return ((BigInt(physicalAddress) >> BigInt(PAGE_BITS)) << BigInt(PTE_PPN_SHIFT)) | BigInt(flags);
}

/** The physical address in a page table entry. */
export function pteAddress(entry: bigint): number {
  return Number(
    ((entry >> BigInt(PTE_PPN_SHIFT)) & ((1n << BigInt(PTE_PPN_BITS)) - 1n)) << BigInt(PAGE_BITS),
  );
}

/** A value of `satp` for a root table at a physical address, a multiple of 4096. */
export function encodeSatp({ satpMode }: PageTableFormat, asid: number, rootAddress: number): bigint {
  return (
    (BigInt(satpMode) << BigInt(Satp.MODE_SHIFT)) |
    (BigInt(asid) << BigInt(Satp.ASID_SHIFT)) |
    (BigInt(rootAddress) >> BigInt(PAGE_BITS))
  );
}
