import type { GuestMemory } from "@isomorph/interface";

/** Bits of a page table entry (privileged specification, section 4.4.1). */
export const Pte = { V: 1, R: 2, W: 4, X: 8, U: 16, A: 64, D: 128 } as const;

/** Writes page tables into guest memory; `levels` is 3 for Sv39, 4 for Sv48, 5 for Sv57. */
export class PageTables {
  readonly #memory: GuestMemory;
  readonly #levels: 3 | 4 | 5;
  readonly #root: number;
  #next: number;

  constructor(memory: GuestMemory, levels: 3 | 4 | 5, place: number) {
    this.#memory = memory;
    this.#levels = levels;
    this.#root = place;
    this.#next = place + 4096;
  }

  /** A value for `satp`. */
  get satp(): bigint {
    return (BigInt(this.#levels + 5) << 60n) | BigInt(this.#root / 4096);
  }

  /** Maps a page of `4096 << (9 * level)` bytes. */
  map(va: bigint, gpa: number, flags: number, level = 0): void {
    const { data, base } = this.#memory;
    let table = this.#root;
    for (let at = this.#levels - 1; ; at--) {
      const index = Number((va >> BigInt(12 + 9 * at)) & 0x1ffn);
      const entry = table + 8 * index - base;
      if (at === level) {
        data.setBigUint64(entry, (BigInt(gpa / 4096) << 10n) | BigInt(flags), true);
        return;
      }
      if (data.getBigUint64(entry, true) === 0n) {
        data.setBigUint64(entry, (BigInt(this.#next / 4096) << 10n) | BigInt(Pte.V), true);
        this.#next += 4096;
      }
      table = Number(data.getBigUint64(entry, true) >> 10n) * 4096;
    }
  }
}
