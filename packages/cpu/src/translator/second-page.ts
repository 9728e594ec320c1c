import type { Code, I32, Var } from "@isomorph/wasm";
import { fetchTlbEntry, fetchTlbHit, fetchTlbHost } from "../core/soft-tlb.ts";
import { PAGE_SIZE, type Pages } from "./code-reader.ts";
import { addressOf, type Block, startOf } from "./region.ts";
import { guestAddress, type RegionFunctions, type RegionVars } from "./region-functions.ts";

/**
 * The second page of a region: where the guest's next page is another one, or not in the TLB of fetches, control must not go
 * there. That is made sure of once in a call of the region's function.
 */
export class SecondPage {
  readonly #code: Code;
  readonly #vars: RegionVars;
  readonly #functions: RegionFunctions;
  readonly #pages: Pages;
  readonly #blocks = new Map<number, Block>();
  /** 1 when the guest's next page is known to be the region's second one. */
  readonly #isSure: Var<"i32">;
  /** Whether the current block needs the second page, which is then known. */
  isKnown = false;

  constructor(
    code: Code,
    vars: RegionVars,
    functions: RegionFunctions,
    pages: Pages,
    blocks: readonly Block[],
  ) {
    this.#code = code;
    this.#vars = vars;
    this.#functions = functions;
    this.#pages = pages;
    this.#isSure = code.var("i32");
    for (const block of blocks) this.#blocks.set(startOf(block), block);
  }

  /** A block begins. */
  enterBlock(block: Block): void {
    this.isKnown = this.isNeeded(startOf(block));
  }

  /** Whether the block at a place is in the second page, or begins with an instruction that reaches into it. */
  isNeeded(place: number): boolean {
    if (this.#pages.second === undefined || this.#functions.space.flat !== undefined) return false;
    const offset = addressOf(place) - this.#pages.first;
    if (offset >= PAGE_SIZE) return offset < 2 * PAGE_SIZE;
    if (offset !== PAGE_SIZE - 2) return false;
    const block = this.#blocks.get(place);
    return block !== undefined && block.end > this.#pages.first + PAGE_SIZE;
  }

  /** Whether the page of an address is known where the current block is. */
  isInPage(target: number): boolean {
    const { space, entryAddress } = this.#functions;
    // Host addresses follow one another as the guest's do.
    if (space.flat !== undefined) return entryAddress(target) !== undefined;
    const offset = target - this.#pages.first;
    if (offset >= 0 && offset < PAGE_SIZE) return true;
    return this.#pages.second !== undefined && this.isKnown && offset >= 0 && offset < 2 * PAGE_SIZE;
  }

  /** At the entry of the region. */
  checkAtEntry(leave: () => void): void {
    const code = this.#code;
    code.if(this.#isElsewhere(), leave, undefined, "unlikely");
    this.#isSure.set(code.i32.const(1));
  }

  /** Before control goes on at a place: leaves if that is in the second page and this is elsewhere. */
  enter(place: number, leave: () => void): void {
    if (this.#blocks.has(place) && this.isNeeded(place) && !this.isKnown) this.ensure(leave);
  }

  /** Leaves if the guest's next page is not the region's second one. */
  ensure(leave: () => void): void {
    const code = this.#code;
    code.if(
      code.i32.eqz(this.#isSure.get()),
      () => {
        code.if(
          code.scope(() => this.#isElsewhere()),
          leave,
        );
        this.#isSure.set(code.i32.const(1));
      },
      undefined,
      "unlikely",
    );
  }

  /** Whether the guest's next page is not, or not for sure, the region's second one. */
  #isElsewhere(): I32 {
    const code = this.#code;
    const { i32 } = code;
    const { state } = this.#vars;
    const { host } = this.#functions.space;
    const address = this.#pages.first + PAGE_SIZE;
    const next = code.let64(guestAddress(code, this.#vars, this.#functions.space, address));
    const entry = fetchTlbEntry(code, state, next, host);
    const isHit = code.let32(fetchTlbHit(code, entry, next, state, host));
    const isSecond = host.ops(code).eq(fetchTlbHost(code, entry, next, host), this.#pages.second as number);
    return i32.eqz(i32.and(isSecond, isHit.get()));
  }
}
