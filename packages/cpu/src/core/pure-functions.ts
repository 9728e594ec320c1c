import type { FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import type { PureFunction } from "../isa/pure-function.ts";

/** The functions of a module that stand for {@link PureFunction}s: declared when they are first called. */
export class PureFunctions {
  readonly #module: ModuleBuilder;
  readonly #declared = new Map<PureFunction, FunctionRef>();

  constructor(module: ModuleBuilder) {
    this.#module = module;
  }

  /** The function to call. */
  declare(target: PureFunction): FunctionRef {
    let found = this.#declared.get(target);
    if (found === undefined) {
      const params = target.operands === 1 ? (["i64"] as const) : (["i64", "i64"] as const);
      found = this.#module.declare(`pure.${target.name}`, params, "i64");
      this.#declared.set(target, found);
    }
    return found;
  }

  /** Gives all of them their bodies, when no other body is being emitted. */
  define(): void {
    for (const [{ emit }, target] of this.#declared) {
      const { params } = target as FunctionRef<readonly ["i64", "i64"], "i64">;
      this.#module.define({ ...target, params, result: "i64" }, (code, [a, b = a]) => emit(code, a, b));
    }
  }
}
