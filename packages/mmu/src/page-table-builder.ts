import type { GuestMemory } from "@isomorph/interface";
import {
  encodePte,
  encodeSatp,
  isCanonical,
  type PageTableFormat,
  PTE_SIZE,
  Pte,
  pageSizeAt,
  pteAddress,
  vpnIndex,
} from "./formats.ts";
import { PAGE_SIZE } from "./machine-memory.ts";

export interface PageTableBuilderOptions {
  readonly memory: GuestMemory;
  readonly format: PageTableFormat;
  /** Guest physical address of the room for tables, a multiple of 4096 in RAM. The root table comes first. */
  readonly tables: number;
  /** Bytes of that room, a multiple of 4096. */
  readonly tablesSize: number;
}

/** Writes page tables into guest memory, for tests and for guests that are started with translation on. */
export class PageTableBuilder {
  readonly format: PageTableFormat;
  /** Guest physical address of the root table. */
  readonly root: number;
  readonly #memory: GuestMemory;
  readonly #end: number;
  #next: number;

  /** @throws RangeError when the room is not in RAM or not made of whole pages. */
  constructor({ memory, format, tables, tablesSize }: PageTableBuilderOptions) {
    if (tables % PAGE_SIZE !== 0 || tablesSize % PAGE_SIZE !== 0 || !memory.contains(tables, tablesSize)) {
      throw new RangeError(
        `room for page tables [${tables}, ${tables} + ${tablesSize}) is not made of RAM pages`,
      );
    }
    this.format = format;
    this.#memory = memory;
    this.#next = tables;
    this.#end = tables + tablesSize;
    this.root = this.#allocate();
  }

  /** A value for `satp` that switches these tables on. */
  satp(asid = 0): bigint {
    return encodeSatp(this.format, asid, this.root);
  }

  /**
   * Maps the page of `4096 << (9 * level)` bytes at `va` to a physical address, both multiples of its size, with the
   * {@link Pte} bits given. An older mapping at that level is replaced. Fences are the caller's.
   *
   * @throws RangeError for an address that does not fit, a level that the format does not have, or when there is no
   * room for a table.
   */
  map(va: bigint, physicalAddress: number, flags: number, level = 0): void {
    const size = pageSizeAt(level);
    if (physicalAddress % size !== 0 || va % BigInt(size) !== 0n) {
      throw new RangeError(`0x${va.toString(16)} or ${physicalAddress} is not a multiple of ${size}`);
    }
    this.setEntry(va, encodePte(physicalAddress, flags), level);
  }

  /** Makes the entry for `va` at `level` zero, with all that is below it. */
  unmap(va: bigint, level = 0): void {
    this.setEntry(va, 0n, level);
  }

  /** Stores any 64-bit value as the entry for `va` at `level`, making the tables above. */
  setEntry(va: bigint, entry: bigint, level = 0): void {
    const address = this.entryAddress(va, level, true);
    this.#memory.data.setBigUint64(address - this.#memory.base, entry, true);
    this.#memory.markDirty(address, PTE_SIZE);
  }

  /** The entry for `va` at `level`; 0 when there is no table for it. */
  entry(va: bigint, level = 0): bigint {
    const address = this.entryAddress(va, level);
    return address < 0 ? 0n : this.#memory.data.getBigUint64(address - this.#memory.base, true);
  }

  /**
   * Guest physical address of the entry for `va` at `level`. Tables on the way are made if `create`, even in place of
   * a leaf; otherwise -1 is returned when there is none.
   */
  entryAddress(va: bigint, level = 0, create = false): number {
    const { levels } = this.format;
    if (!(level >= 0 && level < levels)) throw new RangeError(`${this.format.name} has no level ${level}`);
    if (!isCanonical(va, this.format)) {
      throw new RangeError(`0x${va.toString(16)} is no ${this.format.name} virtual address`);
    }
    const { data, base } = this.#memory;
    let table = this.root;
    for (let i = levels - 1; ; i--) {
      const address = table + vpnIndex(va, i) * PTE_SIZE;
      if (i === level) return address;
      const entry = data.getBigUint64(address - base, true);
      if ((entry & BigInt(Pte.V | Pte.R | Pte.W | Pte.X)) === BigInt(Pte.V)) {
        table = pteAddress(entry);
        continue;
      }
      if (!create) return -1;
      table = this.#allocate();
      data.setBigUint64(address - base, encodePte(table, Pte.V), true);
      this.#memory.markDirty(address, PTE_SIZE);
    }
  }

  #allocate(): number {
    const table = this.#next;
    if (table + PAGE_SIZE > this.#end) throw new RangeError(`no room for another page table at ${table}`);
    this.#next += PAGE_SIZE;
    this.#memory.view(table, PAGE_SIZE).fill(0);
    this.#memory.markDirty(table, PAGE_SIZE);
    return table;
  }
}
