import type { DecodedInstruction, Pages } from "./code-reader.ts";

/** A run of instructions that is entered at its start only. */
export interface Block {
  /** 0 for the region's own code; other numbers for copies of callees in the place of calls. */
  readonly copy: number;
  /** Where its code is: the address of its first instruction, and the one after its last. */
  readonly start: number;
  readonly end: number;
  readonly instructions: readonly DecodedInstruction[];
  /**
   * {@link placeOf Places} to which its last instruction may lead other than by falling through: of the target of a branch
   * or jump, of a callee that is copied, of where a copy returns to. Not all are in the region.
   */
  readonly targets: readonly number[];
  /** Whether control can reach `end`; after a call that is not copied, when it returns. */
  readonly fallsThrough: boolean;
  /** Whether it ends with a call that leaves the region. */
  readonly isCall: boolean;
  /** Integer registers that it reads before it writes them, and that it writes, as bit sets. */
  readonly exposed: number;
  readonly written: number;
}

/** What is translated as one function: blocks of a page and the one that follows it. */
export interface Region {
  /** The second page is there only if there are blocks in it. */
  readonly pages: Pages;
  /** Where it may be entered, in the first page: the address that it was made for, then others. Several need a dispatch. */
  readonly entries: readonly [number, ...number[]];
  /** The first is the entry, or the dispatch that leads to all of them. */
  readonly blocks: readonly Block[];
  /** Integer registers read or written, as a bit set. */
  readonly used: number;
  /** Whether it has floating-point instructions. */
  readonly usesFloat: boolean;
  /** Addresses at which it goes on in another region although it might have gone on itself. */
  readonly seams: ReadonlySet<number>;
  /** Whether it has all in it that it can. */
  readonly isWhole: boolean;
}

/** Addresses are below; the number of the copy is above. */
const COPY = 2 ** 40;

/** The place of a copy's code at an address: one number for both. */
export function placeOf(copy: number, address: number): number {
  return copy * COPY + address;
}

/** The address of a place. */
export function addressOf(place: number): number {
  return place % COPY;
}

/** The place of a block. */
export function startOf({ copy, start }: Block): number {
  return placeOf(copy, start);
}

/** The place behind a block. */
export function endOf({ copy, end }: Block): number {
  return placeOf(copy, end);
}

/** The place of the block to which all indirect jumps of a region lead, and its entries if it has several. No code is there. */
export const DISPATCH = 1;
