import { Level1Slot, RAM_BASE, S_VECTOR, SCRATCH, Table } from "./layout.ts";

/** Bits of a page-table entry (privileged specification, section 4.4.1). */
export const Pte = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;

/** An entry that points to, or maps, a physical page. */
export function pte(address: number, flags: number): bigint {
  return (BigInt(Math.floor(address / 4096)) << 10n) | BigInt(flags);
}

/** A translation scheme by its number in `satp`: its root, and what the upper half of the address space starts with. */
export interface Scheme {
  readonly mode: 8 | 9 | 10;
  readonly root: number;
  readonly high: bigint;
}

export const SCHEMES: readonly Scheme[] = [
  { mode: 8, root: Table.ROOT39, high: 0xffff_ffc0_0000_0000n },
  { mode: 9, root: Table.ROOT48, high: 0xffff_8000_0000_0000n },
  { mode: 10, root: Table.ROOT57, high: 0xff00_0000_0000_0000n },
];

/** The entries that all sequences share, as pairs of physical address and value. */
export function sharedEntries(): [number, bigint][] {
  const pointer = (table: number, index: number, to: number): [number, bigint] => [
    table + 8 * index,
    pte(to, Pte.V),
  ];
  const gigabyte = pte(RAM_BASE, Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D);
  return [
    pointer(Table.LEVEL1, Level1Slot.DATA, Table.DATA),
    pointer(Table.LEVEL1, Level1Slot.CODE, Table.CODE),
    pointer(Table.LEVEL1, Level1Slot.VECTOR, Table.VECTOR),
    // Seen through an odd level-1 entry only.
    [Table.DATA, pte(SCRATCH, Pte.V | Pte.R | Pte.W | Pte.U | Pte.A | Pte.D)],
    [Table.VECTOR, pte(S_VECTOR, Pte.V | Pte.R | Pte.X | Pte.A)],
    // The low gigabytes are the same in all three schemes, and again in each one's upper half.
    ...[0, 256].flatMap((half): [number, bigint][] => [
      pointer(Table.ROOT39, half + 3, Table.LEVEL1),
      [Table.ROOT39 + 8 * (half + 2), gigabyte],
      pointer(Table.ROOT48, half, Table.ROOT39),
      pointer(Table.ROOT57, half, Table.ROOT48),
    ]),
  ];
}
