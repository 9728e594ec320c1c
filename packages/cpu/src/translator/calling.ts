import type { Code, I32, I64, Var } from "@isomorph/wasm";
import { FROM_INTERPRETER } from "./chain.ts";
import type { Pages } from "./code-reader.ts";
import { callSite } from "./copy-callees.ts";
import type { Leaving } from "./leaving.ts";
import type { Block } from "./region.ts";
import type { RegionFunctions, RegionVars } from "./region-functions.ts";
import type { SecondPage } from "./second-page.ts";

/**
 * How a region calls what it has no copy of, with all registers stored in the hart's block: by a call of the host, as long as
 * these may be nested deeper; else it leaves, and the guest's return is a jump.
 */
export class Calling {
  readonly #code: Code;
  readonly #vars: RegionVars;
  readonly #functions: RegionFunctions;
  readonly #second: SecondPage;
  readonly #leaving: Leaving;
  readonly #pages: Pages;

  constructor(
    code: Code,
    vars: RegionVars,
    functions: RegionFunctions,
    second: SecondPage,
    leaving: Leaving,
    pages: Pages,
  ) {
    this.#code = code;
    this.#vars = vars;
    this.#functions = functions;
    this.#second = second;
    this.#leaving = leaving;
    this.#pages = pages;
  }

  /** Calls an address at the end of a block. Pushes what is left of the budget, or how control goes on if not here. */
  to(target: number, caller: Block): I32 {
    const code = this.#code;
    const { i32 } = code;
    const { state, remaining } = this.#vars;
    this.#leaving.countCall(target, callSite(caller, this.#pages));
    code.if(i32.eqz(this.#callsLeft()), () => this.#leaving.chain(target), undefined, "unlikely");
    const anywhere = (): I32 => {
      const from = [state.get(), remaining.get(), this.#returnAddress(caller), this.#deeper()] as const;
      return code.call(this.#functions.call, ...from, this.#leaving.guest(target));
    };
    if (!this.#second.isInPage(target)) return anywhere();
    const index = this.#leaving.translationOf(target);
    const here = (): I32 => {
      const from = [state.get(), this.#leaving.guest(target), remaining.get()] as const;
      const args = [...from, this.#returnAddress(caller), this.#deeper()] as const;
      return code.callIndirect(this.#functions.region, args, index.get());
    };
    return code.choose("i32", i32.gtS(index.get(), 0), here, anywhere, "likely");
  }

  /** The same for a guest address. */
  toPc(pc: Var<"i64">, caller: Block): I32 {
    const code = this.#code;
    const { i32 } = code;
    const { state, remaining } = this.#vars;
    code.if(i32.eqz(this.#callsLeft()), () => this.#leaving.toPc(pc), undefined, "unlikely");
    const from = [state.get(), remaining.get(), this.#returnAddress(caller), this.#deeper()] as const;
    return code.call(this.#functions.call, ...from, pc.get());
  }

  /** Guest calls that may still be made as such. */
  #callsLeft(): I32 {
    return this.#code.i32.and(this.#vars.depth.get(), FROM_INTERPRETER - 1);
  }

  /** `depth` of what this region calls. */
  #deeper(): I32 {
    return this.#code.i32.sub(this.#callsLeft(), 1);
  }

  #returnAddress({ end }: Block): I64 {
    return this.#leaving.guest(end);
  }
}
