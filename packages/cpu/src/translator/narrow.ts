import type { I32 } from "@isomorph/wasm";
import { FIELDS } from "../isa/fields.ts";
import type { Semantics } from "../isa/semantics.ts";
import type { DecodedInstruction } from "./code-reader.ts";

/**
 * Registers that hold a sign-extended 32-bit number, as a bit set: narrow ones, as far as they were computed with 32 bits in
 * the same block. What is done with them is done with 32 bits too, where the result is the same: that leaves out the
 * extensions in between, and engines see rotations in what C makes of them. Other registers would have to be cut first.
 */
export type Narrow = number;

/** Instructions that are done with 32 bits: their results are sign-extended whatever the operands are. */
export const WORDS: ReadonlySet<string> = new Set([
  ...["addiw", "slliw", "srliw", "sraiw", "addw", "subw", "sllw", "srlw", "sraw"],
  ...["mulw", "rolw", "rorw", "roriw", "clzw", "ctzw", "cpopw", "slt", "slti", "sltu", "sltiu"],
]);

/** Whether the operands that an instruction reads from registers are narrow. */
export function hasNarrowOperands({ read }: DecodedInstruction, narrow: Narrow): boolean {
  return (read & ~narrow) === 0;
}

/** Follows an instruction. */
export function narrowAfter(decoded: DecodedInstruction, narrow: Narrow): Narrow {
  const { written } = decoded;
  if (written === 0) return narrow;
  return hasNarrowResult(decoded, narrow) ? narrow | written : narrow & ~written;
}

function hasNarrowResult(decoded: DecodedInstruction, narrow: Narrow): boolean {
  const { name } = decoded.instruction;
  if (WORDS.has(name)) return true;
  return hasNarrowOperands(decoded, narrow) && (isConstantOrCopy(decoded) || name in RESULTS);
}

/** Whether the result is a number of 12 bits, or an operand as it is. */
export function isConstantOrCopy({ instruction, word }: DecodedInstruction): boolean {
  switch (instruction.name) {
    case "addi":
      return FIELDS.rs1.decode(word) === 0 || FIELDS.immI.decode(word) === 0;
    case "add":
      return FIELDS.rs1.decode(word) === 0 || FIELDS.rs2.decode(word) === 0;
    default:
      return false;
  }
}

type Condition = (s: Semantics) => I32;
const BRANCHES: Readonly<Record<string, Condition>> = {
  beq: (s) => s.i32.eq(s.w1(), s.w2()),
  bne: (s) => s.i32.ne(s.w1(), s.w2()),
  blt: (s) => s.i32.ltS(s.w1(), s.w2()),
  bge: (s) => s.i32.geS(s.w1(), s.w2()),
  bltu: (s) => s.i32.ltU(s.w1(), s.w2()),
  bgeu: (s) => s.i32.geU(s.w1(), s.w2()),
};
const RESULTS: Readonly<Record<string, (s: Semantics) => I32>> = {
  and: (s) => s.i32.and(s.w1(), s.w2()),
  or: (s) => s.i32.or(s.w1(), s.w2()),
  xor: (s) => s.i32.xor(s.w1(), s.w2()),
  andi: (s) => s.i32.and(s.w1(), s.immediate32()),
  ori: (s) => s.i32.or(s.w1(), s.immediate32()),
  xori: (s) => s.i32.xor(s.w1(), s.immediate32()),
  slt: (s) => s.i32.ltS(s.w1(), s.w2()),
  sltu: (s) => s.i32.ltU(s.w1(), s.w2()),
  slti: (s) => s.i32.ltS(s.w1(), s.immediate32()),
  sltiu: (s) => s.i32.ltU(s.w1(), s.immediate32()),
};

/** Emits an instruction with 32-bit operations if that is the same. False if it has to be emitted as it is described. */
export function emitNarrow(s: Semantics, decoded: DecodedInstruction, narrow: Narrow): boolean {
  const { name } = decoded.instruction;
  if (!hasNarrowOperands(decoded, narrow)) return false;
  const condition = BRANCHES[name];
  const result = RESULTS[name];
  if (condition !== undefined) s.branch(condition(s));
  else if (result !== undefined) s.setW(result(s));
  return condition !== undefined || result !== undefined;
}
