import type { Code, I64, Var } from "@isomorph/wasm";
import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import { type PureFunction, pureBinary } from "./pure-function.ts";
import { reverseBits } from "./reverse.ts";

/** Zbc and its part Zbkc, which lacks clmulr (unprivileged specification, chapters 28 and 32). */
export const carryLess: readonly Instruction[] = [
  row("clmul", 1, multiply),
  row("clmulr", 2, multiplyReversed),
  row("clmulh", 3, (code, a, b) => code.i64.shrU(multiplyReversed(code, a, b), 1)),
];

function row(name: string, funct3: number, emit: PureFunction["emit"]): Instruction {
  const target = pureBinary(name, emit);
  const match = encoding(Opcode.OP, funct3, 0x05);
  return instruction("zbc", name, "rd, rs1, rs2", match, Mask.FUNCT7, (s) =>
    s.setX(s.apply(target, s.x1(), s.x2())),
  );
}

/** Every fourth bit: in a product of two such numbers there is room for the sums of bits. */
const EVERY_FOURTH = 0x1111_1111_1111_1111n;

const maskFor = (bit: number): bigint => BigInt.asIntN(64, EVERY_FOURTH << BigInt(bit));

/** The low half of the carry-less product: sixteen products of every fourth bit, whose sums' low bits are kept. */
function multiply(code: Code, a: Var<"i64">, b: Var<"i64">): I64 {
  const { i64 } = code;
  const parts = (value: Var<"i64">): Var<"i64">[] =>
    [0, 1, 2, 3].map((bit) => code.let64(i64.and(value.get(), maskFor(bit))));
  const left = parts(a);
  const right = parts(b);
  const product = (i: number, j: number): I64 =>
    i64.mul((left[i] as Var<"i64">).get(), (right[j & 3] as Var<"i64">).get());
  // In one place at most fifteen bits meet, whose sum fits; in the highest sixteen, whose carry leaves the word.
  const everyFourth = (bit: number): I64 =>
    i64.and(
      [1, 2, 3].reduce((sum, i) => i64.xor(sum, product(i, bit - i)), product(0, bit)),
      maskFor(bit),
    );
  return [1, 2, 3].reduce((sum, bit) => i64.or(sum, everyFourth(bit)), everyFourth(0));
}

/** Bits 63 to 126 of the product: the low half of the product of the operands read from the other end, reversed. */
function multiplyReversed(code: Code, a: Var<"i64">, b: Var<"i64">): I64 {
  a.set(reverseBits(code, a));
  b.set(reverseBits(code, b));
  const product = code.let64(multiply(code, a, b));
  return reverseBits(code, product);
}
