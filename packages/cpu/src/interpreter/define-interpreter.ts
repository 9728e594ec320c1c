import type { FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import { Counter, emitAdd } from "../counters.ts";
import { State } from "../state.ts";
import { type Interpret, MAX_DEPTH, NO_RETURN, REGION_PARAMS, Unwind } from "../translator/chain.ts";
import { InterpreterEmitter, type InterpreterOptions } from "./interpreter.ts";
import type { InterpreterVars } from "./semantics.ts";
import { defineUncommon } from "./uncommon.ts";

/** The functions that interpret. */
export interface InterpreterEntries {
  /** `(state)`: executes REMAINING instructions or until the reason in EXIT. */
  readonly run: FunctionRef<readonly ["i32"], undefined>;
  /** In place of a region that another one calls. */
  readonly interpret: Interpret;
}

/**
 * Defines the interpreter, and the two ways into it: the outermost one, which JavaScript calls and which deals with
 * interrupts, and the one in place of a region, whose instructions the region counts as its own until it returns.
 */
export function defineInterpreter(module: ModuleBuilder, options: InterpreterOptions): InterpreterEntries {
  const signature = module.signature(REGION_PARAMS, "i32");
  const params: Interpret["params"] = ["i32", "i32", "i64", "i32", "i32"];
  const uncommon = defineUncommon(module, options.functions);
  const loop = module.function("interpret", params, "i32", (code, parameters) => {
    const { host } = options.functions.space;
    const [state, remaining, returnTo, depth, skipLookup] = parameters;
    const vars: InterpreterVars = {
      state,
      ip: code.var(host.type),
      end: code.var(host.type),
      delta: code.var("i64"),
      word: code.var("i32"),
      remaining,
      target: code.var(host.type),
      returnTo,
    };
    new InterpreterEmitter(code, vars, depth, skipLookup, options, signature, uncommon).emit();
    return code.i32.const(0);
  });
  const run = module.function("run", ["i32"], undefined, (code, [state]) => {
    const { i32, i64 } = code;
    const from = [state.get(), i32.load(state.get(), State.REMAINING)] as const;
    const args = [...from, i64.const(NO_RETURN), i32.const(MAX_DEPTH), i32.const(0)] as const;
    code.drop(code.call(loop, ...args));
  });
  const interpret = module.function("interpretCall", params, "i32", (code, parameters) => {
    const { i32 } = code;
    const [state, remaining, returnTo, depth, skipLookup] = parameters;
    const before = code.let32(remaining.get());
    const args = [state.get(), remaining.get(), returnTo.get(), depth.get(), skipLookup.get()] as const;
    const result = code.let32(code.call(loop, ...args));
    // The region that led here counts as its own what it gets back less.
    emitAdd(code, state, Counter.REGION_INSTRUCTIONS, () =>
      i32.sub(i32.and(result.get(), Unwind.REMAINING), before.get()),
    );
    return result.get();
  });
  return { run, interpret };
}
