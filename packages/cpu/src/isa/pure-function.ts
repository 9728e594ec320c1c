import type { Code, I64, Var } from "@isomorph/wasm";

/**
 * A function of 64-bit values that reads nothing else but constant tables, too long to be repeated at will: the
 * interpreter calls it, the translator may put it in place.
 */
export interface PureFunction {
  readonly name: string;
  readonly operands: 1 | 2;
  /** Emits the value. `b` is the second operand, or the first where there is one only. */
  readonly emit: (code: Code, a: Var<"i64">, b: Var<"i64">) => I64;
}

/** A function of one operand. */
export function pureUnary(name: string, emit: (code: Code, a: Var<"i64">) => I64): PureFunction {
  return { name, operands: 1, emit };
}

/** A function of two operands. */
export function pureBinary(
  name: string,
  emit: (code: Code, a: Var<"i64">, b: Var<"i64">) => I64,
): PureFunction {
  return { name, operands: 2, emit };
}
