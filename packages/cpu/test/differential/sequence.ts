import type { InputCsr } from "./layout.ts";

/** An instruction of a sequence; what it encodes may depend on where the others lie. */
export interface Item {
  readonly length: 2 | 4;
  /** The bits, given the index of the item and where the items lie. */
  readonly encode: (self: number, places: Places) => number;
  /** Whether nothing may jump here: it would leave out something that must come before. */
  readonly inside?: boolean;
}

/** Where the items of a sequence lie, from its start. */
export interface Places {
  /** Of all items, and of the end. */
  readonly offsets: readonly number[];
  /** The first item from this one on that may be jumped to, or the end. */
  landing(index: number): number;
}

/** An initial value: a number, or the address of an item; past the last one it is the end. */
export type InitialValue = bigint | { readonly item: number; readonly base: "virtual" | "physical" };

/** A doubleword of memory that a sequence starts with, and that is compared at its end. */
export interface Window {
  readonly address: number;
  readonly value: bigint;
}

/** A sequence of instructions and the state it starts in. */
export interface Sequence {
  /** The mode it starts in. */
  readonly mode: 0 | 1 | 3;
  readonly mstatus: bigint;
  readonly csrs: Readonly<Record<InputCsr, bigint>>;
  readonly x: readonly InitialValue[];
  readonly f: readonly bigint[];
  readonly windows: readonly Window[];
  readonly items: readonly Item[];
  /** Address of the code, as a virtual and as a physical one. */
  readonly codeVirtual: bigint;
  readonly codePhysical: number;
  /** Which of the two the sequence starts at. */
  readonly translated: boolean;
}

/** Where items lie. */
export function placesOf(items: readonly Item[]): Places {
  const offsets = [0];
  for (const { length } of items) offsets.push((offsets.at(-1) as number) + length);
  return {
    offsets,
    landing: (index) => {
      let target = Math.min(index, items.length);
      while (items[target]?.inside === true) target++;
      return target;
    },
  };
}

/** An instruction that does not depend on its place. */
export function fixed(bits: number): Item {
  return { length: (bits & 3) === 3 ? 4 : 2, encode: () => bits };
}

/** The same sequence with some instructions replaced by `nop`s, everything else in its place. */
export function withoutItems(sequence: Sequence, removed: ReadonlySet<number>): Sequence {
  const items = sequence.items.map(
    (item, index): Item =>
      removed.has(index) ? { ...item, encode: () => (item.length === 4 ? 0x13 : 0x01) } : item,
  );
  return { ...sequence, items };
}
