import type { GuestMemory } from "@isomorph/interface";

const PAGE_BITS = 12n;
const PAGE_MASK = 0xfffn;
const PPN_MASK = (1n << 44n) - 1n;
/** Levels of page tables by MODE in `satp`: Sv39, Sv48, Sv57. */
const LEVELS: Readonly<Record<string, number>> = { 8: 3, 9: 4, 10: 5 };
const PTE_V = 1n;
const PTE_RX = 0b1010n;
const PTE_RWX = 0b1110n;
const PTE_X = 8n;
const REMEMBERED_PAGES = 16;

/** Where a page of guest virtual addresses lies. */
interface Page {
  /** GPA of its start; undefined when nothing is mapped or it is not in RAM. */
  readonly gpa: number | undefined;
  readonly isExecutable: boolean;
}

const NOTHING: Page = { gpa: undefined, isExecutable: false };

/**
 * Reads a guest's memory by virtual address and leaves no trace: no A or D bit is set, no TLB entry is made, no device is
 * asked. Rights are not checked, save what {@link isExecutable} tells. What a guest's page tables say is bounded: each
 * step is checked to lie in RAM, and there are at most five.
 */
export class AddressSpace {
  readonly #memory: GuestMemory;
  readonly #pages = new Map<bigint, Page>();
  #root = 0n;
  #levels = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Says which page tables count from now on. @param satp - 0 for physical addresses: also in M-mode. */
  select(satp: bigint): void {
    // Tables may have changed since the last look.
    this.#pages.clear();
    this.#levels = LEVELS[`${satp >> 60n}`] ?? 0;
    this.#root = satp & PPN_MASK;
  }

  /** The doubleword at an address that is a multiple of 8; undefined when there is none. */
  doubleword(gva: bigint): bigint | undefined {
    const gpa = this.#gpa(gva, 8);
    return gpa === undefined ? undefined : this.#memory.data.getBigUint64(gpa - this.#memory.base, true);
  }

  /** The 16 bits at an even address; undefined when there are none. */
  parcel(gva: bigint): number | undefined {
    const gpa = this.#gpa(gva, 2);
    return gpa === undefined ? undefined : this.#memory.data.getUint16(gpa - this.#memory.base, true);
  }

  /** Whether the page of an address is mapped for execution; without translation, whether it is in RAM. */
  isExecutable(gva: bigint): boolean {
    const page = this.#page(gva);
    return page.gpa !== undefined && page.isExecutable;
  }

  #gpa(gva: bigint, size: 2 | 8): number | undefined {
    if ((gva & BigInt(size - 1)) !== 0n) return undefined;
    const { gpa } = this.#page(gva);
    return gpa === undefined ? undefined : gpa + Number(gva & PAGE_MASK);
  }

  #page(gva: bigint): Page {
    const number = gva >> PAGE_BITS;
    const known = this.#pages.get(number);
    if (known !== undefined) return known;
    const page = this.#walk(gva);
    if (this.#pages.size >= REMEMBERED_PAGES) this.#pages.clear();
    this.#pages.set(number, page);
    return page;
  }

  /** Privileged specification 20240411, section 4.3.2, without rights. */
  #walk(gva: bigint): Page {
    const levels = this.#levels;
    if (levels === 0) return this.#pageAt(gva & ~PAGE_MASK, true);
    const bits = 12 + 9 * levels;
    if (BigInt.asIntN(bits, gva) !== BigInt.asIntN(64, gva)) return NOTHING;
    let table = this.#root << PAGE_BITS;
    for (let level = levels - 1; level >= 0; level--) {
      const shift = BigInt(12 + 9 * level);
      const at = Number(table + (((gva >> shift) & 0x1ffn) << 3n));
      if (!this.#memory.contains(at, 8)) return NOTHING;
      const entry = this.#memory.data.getBigUint64(at - this.#memory.base, true);
      if ((entry & PTE_V) === 0n) return NOTHING;
      table = ((entry >> 10n) & PPN_MASK) << PAGE_BITS;
      if ((entry & PTE_RWX) === 0n) continue;
      if ((entry & PTE_RX) === 0n) return NOTHING;
      const within = (1n << shift) - 1n;
      if ((table & within) !== 0n) return NOTHING;
      return this.#pageAt(table | (gva & within & ~PAGE_MASK), (entry & PTE_X) !== 0n);
    }
    return NOTHING;
  }

  #pageAt(address: bigint, isExecutable: boolean): Page {
    const gpa = Number(address);
    return this.#memory.contains(gpa, 4096) ? { gpa, isExecutable } : NOTHING;
  }
}
