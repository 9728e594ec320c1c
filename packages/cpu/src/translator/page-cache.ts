import type { HostAddress, HostAddresses } from "@isomorph/mmu";
import type { Code, I32, Int, Var } from "@isomorph/wasm";
import type { Extent, Located } from "../core/address-space.ts";
import { Opcode } from "../isa/instruction.ts";
import type { DecodedInstruction } from "./code-reader.ts";
import type { Block } from "./region.ts";

/** The page that accesses by a register went to last. */
export interface CachedPage {
  /** Guest address of the page, or {@link NO_PAGE}. */
  readonly tag: Var<"i64">;
  /** Host minus guest address; of the access under way, if the page is not to be known. */
  readonly addend: Var<Int>;
}

/** How an access uses a page. */
export interface CachedAccess {
  readonly page: CachedPage;
  /** Whether its address was loaded from memory in the loop: such lead from page to page more often than not. */
  readonly isLoaded: boolean;
}

/** A tag that no address has, cut to its page and to the bits that must be zero where it is aligned. */
const NO_PAGE = 0x800;

/** Instructions for each miss of loaded addresses from which on their pages are kept; and how many misses are for free. */
const PATIENCE = 16;
const FREE_MISSES = 16;

/** Most pages of a loop: each takes a register, or a place on the host's stack. */
const MAX_PAGES = 12;

/**
 * Pages that the accesses of loops went to last, by base register, in variables of a region's function. An access to the
 * same page again needs no look at the TLB: neither is its address waited for, nor the TLB's entry. What they say holds
 * as long as nothing but the loop is executed. Where addresses that are loaded from memory lead to other pages too often to
 * be guessed, that is given up until the loop is entered again.
 */
export class PageCache {
  readonly #code: Code;
  readonly #addresses: HostAddresses;
  /** Variables that loops use one after the other. */
  readonly #reads: (CachedPage | undefined)[] = [];
  readonly #writes: (CachedPage | undefined)[] = [];
  /** Pages by block and access, in loops that have no calls in them. */
  readonly #pages = new Map<number, Map<DecodedInstruction, CachedAccess>>();
  readonly #remaining: Var<"i32">;
  /** Instructions that the loop must have got to, as `remaining` counts them, for the next page to be kept. */
  readonly #due: Var<"i32">;

  constructor(code: Code, addresses: HostAddresses, remaining: Var<"i32">) {
    this.#code = code;
    this.#addresses = addresses;
    this.#remaining = remaining;
    this.#due = code.var("i32");
  }

  /** Finds the accesses of a loop. What is given is to be forgotten whenever it is entered. */
  follow(
    blocks: readonly Block[],
    successors: readonly (readonly number[])[],
    loop: readonly number[],
  ): readonly CachedPage[] {
    const members = new Set(loop);
    const origins = new Map<number, Origins>();
    for (let changed = true; changed; ) {
      changed = false;
      for (const index of loop) {
        const { instructions } = blocks[index] as Block;
        const end = instructions.reduce(originsAfter, origins.get(index) ?? KNOWN);
        for (const next of successors[index] as readonly number[]) {
          const before = origins.get(next) ?? KNOWN;
          const pointers = before.pointers | end.pointers;
          const numbers = before.numbers | end.numbers;
          if (!members.has(next)) continue;
          if (pointers === before.pointers && numbers === before.numbers) continue;
          origins.set(next, { pointers, numbers });
          changed = true;
        }
      }
    }
    const used = new Set<CachedPage>();
    for (const index of loop) {
      let at = origins.get(index) ?? KNOWN;
      const pages = new Map<DecodedInstruction, CachedAccess>();
      this.#pages.set(index, pages);
      for (const decoded of (blocks[index] as Block).instructions) {
        const isNumber = ((at.numbers >>> baseOf(decoded)) & 1) !== 0;
        const page = isNumber ? undefined : this.#pageFor(decoded);
        if (page !== undefined && (used.has(page) || used.size < MAX_PAGES)) {
          used.add(page);
          pages.set(decoded, { page, isLoaded: ((at.pointers >>> baseOf(decoded)) & 1) !== 0 });
        }
        at = originsAfter(at, decoded);
      }
    }
    return [...used];
  }

  #pageFor(decoded: DecodedInstruction): CachedPage | undefined {
    const pages = isStore(decoded) ? this.#writes : isLoad(decoded) ? this.#reads : undefined;
    if (pages === undefined) return undefined;
    const base = baseOf(decoded);
    pages[base] ??= { tag: this.#code.var("i64"), addend: this.#code.var(this.#addresses.type) };
    return pages[base];
  }

  /** What is known of a block's accesses. */
  pagesOf(block: number): ReadonlyMap<DecodedInstruction, CachedAccess> | undefined {
    return this.#pages.get(block);
  }

  /** Forgets pages. */
  forget(pages: readonly CachedPage[]): void {
    const { i32, i64 } = this.#code;
    for (const { tag } of pages) tag.set(i64.const(NO_PAGE));
    if (pages.length > 0) this.#due.set(i32.add(this.#remaining.get(), PATIENCE * FREE_MISSES));
  }

  /**
   * Pushes the host address of an access.
   *
   * @param locate - Looks at the TLB.
   * @param leave - Leaves the region if the condition on the stack holds.
   */
  host(
    access: CachedAccess,
    va: Var<"i64">,
    { size, reach = 0 }: Extent,
    locate: () => Located,
    leave: (condition: I32) => void,
  ): HostAddress {
    const code = this.#code;
    const addresses = this.#addresses;
    const { i32, i64 } = code;
    const { tag, addend } = access.page;
    code.if(
      i64.ne(i64.and(va.get(), -4096 | (size - 1)), tag.get()),
      () => {
        const { misses, host } = locate();
        leave(misses());
        this.#keep(access, va, host());
      },
      undefined,
      "unlikely",
    );
    if (reach > 0) leave(i32.gtU(i32.and(i32.wrapI64(va.get()), 4095), 4095 - reach));
    return addresses.ops(code).add(addresses.from64(code, va.get()), addend.get());
  }

  /** Takes over where an access that missed goes. */
  #keep({ page, isLoaded }: CachedAccess, va: Var<"i64">, host: HostAddress): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const addresses = this.#addresses;
    const at = addresses.let(code, host);
    page.addend.set(addresses.ops(code).sub(at.get(), addresses.from64(code, va.get())));
    if (!isLoaded) {
      page.tag.set(i64.and(va.get(), -4096));
      return;
    }
    const kept = code.let64(i64.and(va.get(), -4096));
    this.#due.set(i32.sub(this.#due.get(), PATIENCE));
    page.tag.set(
      code.select(kept.get(), i64.const(NO_PAGE), i32.geS(this.#due.get(), this.#remaining.get())),
    );
  }
}

function baseOf({ word }: DecodedInstruction): number {
  return (word >>> 15) & 31;
}
function isLoad({ word }: DecodedInstruction): boolean {
  return (word & 0x7f) === Opcode.LOAD || (word & 0x7f) === Opcode.LOAD_FP;
}
function isStore({ word }: DecodedInstruction): boolean {
  return (word & 0x7f) === Opcode.STORE || (word & 0x7f) === Opcode.STORE_FP;
}

/** Registers, as bit sets, whose value comes from memory; one can be in both, by different ways. */
interface Origins {
  /** What may be an address: 64 bits as they were loaded, or moved on. */
  readonly pointers: number;
  /** Anything else: what is computed from it leads to a table's entries, in no order. */
  readonly numbers: number;
}

const KNOWN: Origins = { pointers: 0, numbers: 0 };
const MOVES: ReadonlySet<string> = new Set(["addi", "add", "sub"]);

function originsAfter(before: Origins, decoded: DecodedInstruction): Origins {
  const { read, written, instruction } = decoded;
  const { pointers, numbers } = before;
  if (written === 0) return before;
  let isPointer = false;
  let isNumber = false;
  if (isLoad(decoded)) {
    isPointer = instruction.name === "ld";
    isNumber = !isPointer;
  } else {
    const isMove = MOVES.has(instruction.name);
    isPointer = isMove && (read & pointers) !== 0;
    isNumber = (read & numbers) !== 0 || (!isMove && (read & pointers) !== 0);
  }
  return {
    pointers: isPointer ? pointers | written : pointers & ~written,
    numbers: isNumber ? numbers | written : numbers & ~written,
  };
}
