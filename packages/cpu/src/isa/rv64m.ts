import type { I64, Value, Var } from "@isomorph/wasm";
import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { Semantics } from "./semantics.ts";

/** The M extension (unprivileged specification, chapter 12). */
export const rv64m: readonly Instruction[] = [
  wide("mul", 0, (s) => s.i64.mul(s.x1(), s.x2())),
  wide("mulh", 1, (s) => multiplyHigh(s, "signed")),
  wide("mulhsu", 2, (s) => multiplyHigh(s, "mixed")),
  wide("mulhu", 3, (s) => multiplyHigh(s, "unsigned")),
  wide("div", 4, (s) => divide(s, "i64", "div", true)),
  wide("divu", 5, (s) => divide(s, "i64", "div", false)),
  wide("rem", 6, (s) => divide(s, "i64", "rem", true)),
  wide("remu", 7, (s) => divide(s, "i64", "rem", false)),
  word("mulw", 0, (s) => s.setW(s.i32.mul(s.w1(), s.w2()))),
  word("divw", 4, (s) => s.setW(divide(s, "i32", "div", true))),
  word("divuw", 5, (s) => s.setW(divide(s, "i32", "div", false))),
  word("remw", 6, (s) => s.setW(divide(s, "i32", "rem", true))),
  word("remuw", 7, (s) => s.setW(divide(s, "i32", "rem", false))),
];

function wide(name: string, funct3: number, value: (s: Semantics) => I64): Instruction {
  const match = encoding(Opcode.OP, funct3, 1);
  return instruction("m", name, "rd, rs1, rs2", match, Mask.FUNCT7, (s) => s.setX(value(s)));
}

function word(name: string, funct3: number, execute: (s: Semantics) => void): Instruction {
  return instruction("m", name, "rd, rs1, rs2", encoding(Opcode.OP_32, funct3, 1), Mask.FUNCT7, execute);
}

/** The high half of a product from four products of halves; signed operands are corrected afterwards. */
function multiplyHigh(s: Semantics, kind: "signed" | "mixed" | "unsigned"): I64 {
  const { code, i64 } = s;
  const a = code.let64(s.x1());
  const b = code.let64(s.x2());
  const low = (v: Var<"i64">): I64 => i64.and(v.get(), 0xffffffff);
  const high = (v: Var<"i64">): I64 => i64.shrU(v.get(), 32);
  const carry = code.let64(i64.add(i64.shrU(i64.mul(low(a), low(b)), 32), i64.mul(high(a), low(b))));
  const middle = code.let64(i64.add(low(carry), i64.mul(low(a), high(b))));
  const product = code.let64(i64.add(i64.add(i64.mul(high(a), high(b)), high(carry)), high(middle)));
  if (kind === "unsigned") return product.get();
  product.set(i64.sub(product.get(), i64.and(i64.shrS(a.get(), 63), b.get())));
  if (kind === "signed") product.set(i64.sub(product.get(), i64.and(i64.shrS(b.get(), 63), a.get())));
  return product.get();
}

/** Division by zero gives all ones or the dividend; signed overflow gives the dividend or zero (section 12.2). */
function divide<T extends "i32" | "i64">(
  s: Semantics,
  type: T,
  kind: "div" | "rem",
  signed: boolean,
): Value<T> {
  const { code } = s;
  const ops = (type === "i64" ? s.i64 : s.i32) as unknown as Semantics["i64"];
  const operand = type as "i64";
  const a = code.var(operand);
  const b = code.var(operand);
  a.set((type === "i64" ? s.x1() : s.w1()) as I64);
  b.set((type === "i64" ? s.x2() : s.w2()) as I64);
  const quotient = (): I64 => {
    if (kind === "div") return signed ? ops.divS(a.get(), b.get()) : ops.divU(a.get(), b.get());
    return signed ? ops.remS(a.get(), b.get()) : ops.remU(a.get(), b.get());
  };
  // WebAssembly traps on the overflow of the division only; by -1 the quotient is the negated dividend.
  const defined =
    kind === "div" && signed
      ? (): I64 => code.choose(operand, ops.eq(b.get(), -1), () => ops.sub(ops.const(0), a.get()), quotient)
      : quotient;
  return code.choose(
    operand,
    ops.eqz(b.get()),
    () => (kind === "div" ? ops.const(-1) : a.get()),
    defined,
  ) as unknown as Value<T>;
}
