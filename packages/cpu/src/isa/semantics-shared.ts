import type { Code, FunctionRef, I64, Var } from "@isomorph/wasm";
import type { FloatFunctions, FormatFunctions } from "../float/index.ts";
import type { AmoOperation, FloatFormatName, FloatName } from "./semantics.ts";

/** Calls an arithmetic function whose arguments are on the stack. */
export function callFloatFunction(code: Code, functions: FloatFunctions, name: FloatName): unknown {
  const [format, operation] = name.split(".") as [FloatFormatName, keyof FormatFunctions<"i32"> | undefined];
  const target =
    operation === undefined ? functions[name as keyof FloatFunctions] : functions[format][operation];
  // The arguments are there already; their number and types are the description's to get right.
  return code.call(target as FunctionRef as FunctionRef<readonly []>);
}

/** What an AMO stores: the old value combined with the operand, in the low `size` bytes. */
export function combineAmo(
  code: Code,
  old: Var<"i64">,
  operand: Var<"i64">,
  size: 4 | 8,
  operation: AmoOperation,
): I64 {
  const { i64 } = code;
  // Words compare as sign-extended values in either signedness: that keeps the order of unsigned words too.
  const word = (value: Var<"i64">): I64 => (size === 4 ? i64.extend32S(value.get()) : value.get());
  switch (operation) {
    case "swap":
      return operand.get();
    case "add":
      return i64.add(old.get(), operand.get());
    case "xor":
      return i64.xor(old.get(), operand.get());
    case "and":
      return i64.and(old.get(), operand.get());
    case "or":
      return i64.or(old.get(), operand.get());
    case "min":
      return code.select(old.get(), operand.get(), i64.ltS(word(old), word(operand)));
    case "max":
      return code.select(old.get(), operand.get(), i64.gtS(word(old), word(operand)));
    case "minu":
      return code.select(old.get(), operand.get(), i64.ltU(word(old), word(operand)));
    case "maxu":
      return code.select(old.get(), operand.get(), i64.gtU(word(old), word(operand)));
  }
}
