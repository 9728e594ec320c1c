import type { HostAddresses } from "@isomorph/mmu";
import type { Code, FunctionRef, Int, ModuleBuilder, Var } from "@isomorph/wasm";
import { INSTRUCTIONS } from "../isa/index.ts";
import type { Extension, Instruction } from "../isa/instruction.ts";
import { emitDispatch } from "./dispatch.ts";
import { type InterpreterFunctions, InterpreterSemantics, type InterpreterVars } from "./semantics.ts";

/** What a kernel and most programs consist of. */
const COMMON: ReadonlySet<Extension> = new Set(["i", "m", "a", "zbb", "zicsr", "zifencei", "privileged"]);

/** Whether the interpreter's loop executes an instruction itself. */
export function isCommon({ extension, flow }: Instruction): boolean {
  return COMMON.has(extension) || flow !== "next";
}

/** What the interpreter's loop executes itself. */
export const COMMON_INSTRUCTIONS: readonly Instruction[] = INSTRUCTIONS.filter(isCommon);

/** What became of an instruction in {@link Uncommon}. */
export const Outcome = {
  DONE: 0,
  /** FAULT and FAULT_ADDRESS hold an exception. */
  FAULT: 1,
  /** There is no such instruction, or not now. */
  ILLEGAL: 2,
} as const;

/**
 * `(state, word, remaining) → outcome`: executes an instruction that is not in {@link COMMON_INSTRUCTIONS}; `word` is the
 * expanded one, `remaining` what goes into REMAINING should anything ask for it.
 */
export type Uncommon = FunctionRef<typeof PARAMS, "i32">;

const PARAMS = ["i32", "i32", "i32"] as const;

/**
 * Defines the function for floating point, bit manipulation and cryptography, and one for each instruction of these. The
 * interpreter's loop without them is a third of what it would be, and an engine that counts what it executes of a
 * function by the function's size optimises none of them for a few uses of another.
 */
export function defineUncommon(module: ModuleBuilder, functions: InterpreterFunctions): Uncommon {
  const uncommon = INSTRUCTIONS.filter((instruction) => !isCommon(instruction));
  const targets = new Map(
    uncommon.map((instruction) => [instruction, defineInstruction(module, functions, instruction)]),
  );
  return module.function("uncommon", PARAMS, "i32", (code, [state, word, remaining]) => {
    const illegal = code.beginBlock();
    const emit = (instruction: Instruction): void => {
      const target = targets.get(instruction) as Uncommon;
      code.return(code.call(target, state.get(), word.get(), remaining.get()));
    };
    emitDispatch({ code, word, none: illegal, emit }, uncommon);
    code.end();
    return code.i32.const(Outcome.ILLEGAL);
  });
}

function defineInstruction(
  module: ModuleBuilder,
  functions: InterpreterFunctions,
  instruction: Instruction,
): Uncommon {
  return module.function(instruction.name, PARAMS, "i32", (code, [state, word, remaining]) => {
    const { i32 } = code;
    const fault = code.beginBlock();
    const illegal = code.beginBlock();
    // It goes on with the next instruction, so it has no other labels, and does not ask where it is.
    const labels = { fault, illegal, system: illegal, branch: illegal, jump: illegal, resync: illegal };
    const vars = { state, word, remaining, ...unusedVars(code, functions.space.host) };
    new InterpreterSemantics(code, vars, labels, functions).emit(instruction);
    code.return(i32.const(Outcome.DONE));
    code.end();
    code.return(i32.const(Outcome.ILLEGAL));
    code.end();
    return i32.const(Outcome.FAULT);
  });
}

function unusedVars(
  code: Code,
  { type }: HostAddresses,
): Pick<InterpreterVars, "ip" | "end" | "target" | "delta" | "returnTo"> {
  const long = code.var("i64");
  const host: Var<Int> = type === "i32" ? code.var("i32") : long;
  return { ip: host, end: host, target: host, delta: long, returnTo: long };
}
