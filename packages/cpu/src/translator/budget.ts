import type { Code, I32, Var } from "@isomorph/wasm";
import { Mailbox } from "../threads/layout.ts";
import type { RegionFunctions, RegionVars } from "./region-functions.ts";

/** The instructions that a region may still execute: each block is paid for where it begins. */
export class Budget {
  readonly #code: Code;
  readonly #vars: RegionVars;
  readonly #functions: RegionFunctions;
  /** For each block, the most instructions from its start to the next check. */
  readonly #longest: readonly number[];

  constructor(code: Code, vars: RegionVars, functions: RegionFunctions, longest: readonly number[]) {
    this.#code = code;
    this.#vars = vars;
    this.#functions = functions;
    this.#longest = longest;
  }

  /** Takes instructions off. */
  pay(instructions: number): void {
    const { remaining } = this.#vars;
    remaining.set(this.#code.i32.sub(remaining.get(), instructions));
  }

  /** The same unless they are skipped. */
  payUnless(skip: Var<"i32">, instructions: number): void {
    const code = this.#code;
    const { remaining } = this.#vars;
    const before = remaining.get();
    const paid = code.i32.sub(remaining.get(), instructions);
    remaining.set(code.select(before, paid, skip.get()));
  }

  /**
   * Whether it may not last from the start of a block to the next check. Where harts are threads, also whether there is mail:
   * its word is 0 or above every budget, so that one comparison finds both.
   */
  mayNotLast(block: number): I32 {
    const { i32 } = this.#code;
    const { state, remaining } = this.#vars;
    const longest = this.#longest[block] as number;
    if (!this.#functions.atomics.isShared) return i32.ltS(remaining.get(), longest);
    return i32.ltS(i32.sub(remaining.get(), longest), i32.load(state.get(), Mailbox.MAIL));
  }
}
