import type { Code, I32, Label } from "@isomorph/wasm";
import type { DecodedInstruction } from "./code-reader.ts";
import { exitSite } from "./exit-site.ts";
import type { Block } from "./region.ts";
import type { RegionVars } from "./region-functions.ts";

/**
 * How a region is left for the interpreter at an instruction. All exits lead to one place, which has to know of the exit where
 * it is and which registers to store. Both are set before it is known whether it is taken: that costs translated code nothing.
 */
export class SideExits {
  readonly #code: Code;
  readonly #vars: RegionVars;
  /** Where exits lead, once code is emitted. */
  target: Label | undefined;
  /** Registers whose variable may hold what the hart's block does not. */
  dirty = 0;
  /** Instructions of the block from the current one on. */
  left = 0;
  /** What `exitDirty` holds here, where that is known. */
  #known: number | undefined;

  constructor(code: Code, vars: RegionVars) {
    this.#code = code;
    this.#vars = vars;
  }

  /** The instructions of a block come next. */
  enter(instructions: number): void {
    this.left = instructions;
    this.#known = undefined;
  }

  /** Leaves so that the interpreter executes an instruction, the current one, if the condition on the stack holds. */
  leaveAt({ address }: DecodedInstruction, condition: I32): void {
    this.#leave(condition, exitSite(this.#vars.page, address, this.left));
  }

  /** Leaves behind the current instruction if the condition on the stack holds. */
  leaveBehind({ address, length }: DecodedInstruction, condition: I32): void {
    this.#leave(condition, exitSite(this.#vars.page, address + length, this.left - 1));
  }

  #leave(condition: I32, site: number): void {
    const { i32 } = this.#code;
    this.#vars.exitSite.set(i32.const(site));
    if (this.#known !== this.dirty) {
      this.#known = this.dirty;
      this.#vars.exitDirty.set(i32.const(this.dirty));
    }
    this.#vars.float.prepareExit();
    this.#go(condition);
  }

  /**
   * Sets what {@link leaveAtStart} needs at the start of a block that has not been paid for.
   *
   * @param dirty - Registers to be stored.
   */
  prepareAtStart({ start }: Block, index: number, dirty: number): void {
    const { i32 } = this.#code;
    const { page, exitSite: site, exitDirty, float } = this.#vars;
    site.set(i32.const(exitSite(page, start, 0)));
    exitDirty.set(i32.const(dirty));
    float.prepareExitAt(index);
  }

  /** Leaves if the condition on the stack holds. */
  leaveAtStart(condition: I32): void {
    this.#go(condition);
  }

  #go(condition: I32): void {
    this.#code.brIf(this.target as Label, condition, "unlikely");
  }

  /** After code that is not always executed. */
  forget(): void {
    this.#known = undefined;
    this.#vars.float.forgetExit();
  }
}
