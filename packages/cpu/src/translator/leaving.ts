import type { Code, I64, Var } from "@isomorph/wasm";
import { countsOf, countWay, wayAddress, wayOf } from "./code-map.ts";
import { hostOf, PAGE_SIZE, type Pages } from "./code-reader.ts";
import type { Region } from "./region.ts";
import { guestAddress, type RegionFunctions, type RegionVars } from "./region-functions.ts";
import type { SecondPage } from "./second-page.ts";

/**
 * How control leaves a region, with all registers stored in the hart's block: for another region, found here or by the core
 * module, and what is counted on the way so that what belongs together becomes one region.
 */
export class Leaving {
  readonly #code: Code;
  readonly #vars: RegionVars;
  readonly #functions: RegionFunctions;
  readonly #second: SecondPage;
  readonly #pages: Pages;
  readonly #seams: ReadonlySet<number>;
  /** Host address of the region's entry. */
  readonly #entry: number;

  constructor(
    code: Code,
    vars: RegionVars,
    functions: RegionFunctions,
    second: SecondPage,
    { pages, seams, entries }: Region,
  ) {
    this.#code = code;
    this.#vars = vars;
    this.#functions = functions;
    this.#second = second;
    this.#pages = pages;
    this.#seams = seams;
    [this.#entry] = entries;
  }

  /** Pushes the guest address of an address of the region. */
  guest(address: number): I64 {
    return guestAddress(this.#code, this.#vars, this.#functions.space, address);
  }

  /** The table index of the translation at an address; 0 or less where there is none. */
  translationOf(address: number): Var<"i32"> {
    const { i32 } = this.#code;
    const at = this.#functions.entryAddress(hostOf(this.#pages, address)) as number;
    return this.#code.let32(i32.load16S(i32.const(0), at));
  }

  /** Goes on at an address. */
  to(target: number): void {
    if (this.#seams.has(target)) this.#countSeam(target);
    this.chain(target);
  }

  /** The same where nothing is to be counted. */
  chain(target: number): void {
    if (this.#second.isInPage(target) && this.#functions.tailCalls) {
      this.#continueIn(this.translationOf(target), () => this.guest(target));
    }
    this.#chainTo(() => this.guest(target));
  }

  /** Goes on in the translation with an index at a guest address, if there is one. */
  #continueIn(index: Var<"i32">, pc: () => I64): void {
    const code = this.#code;
    const { state, remaining, returnTo, depth } = this.#vars;
    code.if(
      code.i32.gtS(index.get(), 0),
      () => {
        const args = [state.get(), pc(), remaining.get(), returnTo.get(), depth.get()] as const;
        code.returnCallIndirect(this.#functions.region, args, index.get());
      },
      undefined,
      "likely",
    );
  }

  /** Goes on at an address whose page is not known, by the guest's address. */
  toUnknownPage(target: number): void {
    this.#chainTo(() => this.guest(target));
  }

  /** Goes on at a guest address. */
  toPc(pc: Var<"i64">): void {
    this.#chainTo(() => pc.get());
  }

  #chainTo(pc: () => I64): void {
    const { state, remaining, returnTo, depth } = this.#vars;
    const from = [state.get(), remaining.get(), returnTo.get(), depth.get()] as const;
    this.#functions.chain(this.#code, [...from, pc()]);
  }

  /** Goes on in a region that this one might go on in itself: asks for that when it happens often. */
  #countSeam(target: number): void {
    const code = this.#code;
    const { i32 } = code;
    const { limits } = this.#functions.codeMap;
    const { seams } = countsOf(this.#functions.codeMap, this.#entry);
    const times = code.let32(i32.add(i32.load16U(i32.const(0), seams), 1));
    code.if(
      i32.ltU(times.get(), limits.seams),
      () => i32.store16(i32.const(0), times.get(), seams),
      () => this.#askForWhole(() => this.guest(target)),
    );
  }

  /** Goes on where an indirect jump leads: in the page it may be one to what the region might have in it. */
  jumpTo(pc: Var<"i64">): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { codeMap, tailCalls } = this.#functions;
    const page = this.#pages.first;
    const offset = code.let64(i64.sub(pc.get(), this.guest(page)));
    code.if(i64.ltU(offset.get(), PAGE_SIZE), () => {
      // The low bits are enough.
      const host = code.let32(i32.add(i32.wrapI64(offset.get()), page));
      const way = code.let32(wayOf(code, host));
      const due = (): void => this.#askForWhole(() => pc.get());
      countWay(code, () => way.get(), codeMap.ways, codeMap.limits.dispatch, due);
      if (!tailCalls) return;
      const at = this.#functions.entryAddress(page) as number;
      this.#continueIn(code.let32(i32.load16S(i32.wrapI64(offset.get()), at)), () => pc.get());
    });
    this.toPc(pc);
  }

  /**
   * A call to what the region might have a copy of.
   *
   * @param site - What calls from there are counted by.
   */
  countCall(target: number, site: number): void {
    const code = this.#code;
    const { codeMap } = this.#functions;
    const { first, second } = this.#pages;
    if (target < first || target >= first + (second === undefined ? PAGE_SIZE : 2 * PAGE_SIZE)) return;
    const due = (): void => this.#askForWhole(() => this.guest(target));
    countWay(code, () => code.i32.const(0), wayAddress(codeMap, site), codeMap.limits.calls, due);
  }

  /** Asks for a region that has in it what this one leaves for, and leaves what is at a guest address to the interpreter. */
  #askForWhole(pc: () => I64): void {
    const code = this.#code;
    const { state, remaining, returnTo, depth } = this.#vars;
    const from = [state.get(), remaining.get(), returnTo.get(), depth.get()] as const;
    this.#functions.ask(code, [...from, pc(), this.#functions.space.host.ops(code).const(this.#entry)]);
  }
}
