import type { I32, I64 } from "@isomorph/wasm";
import { type Extension, encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import { reverseBytes } from "./reverse.ts";
import type { Semantics } from "./semantics.ts";

/** Zba, Zbb and Zbs (unprivileged specification, chapter 28). */
export const bitManipulation: readonly Instruction[] = [
  // Zba: address generation.
  ...[1, 2, 3].flatMap((n) => [
    binary("zba", `sh${n}add`, Opcode.OP, n * 2, 0x10, (s) => s.i64.add(s.i64.shl(s.x1(), n), s.x2())),
    binary("zba", `sh${n}add.uw`, Opcode.OP_32, n * 2, 0x10, (s) =>
      s.i64.add(s.i64.shl(s.i64.extendI32U(s.w1()), n), s.x2()),
    ),
  ]),
  binary("zba", "add.uw", Opcode.OP_32, 0, 0x04, (s) => s.i64.add(s.i64.extendI32U(s.w1()), s.x2())),
  instruction("zba", "slli.uw", "rd, rs1, shamt6", encoding(Opcode.OP_IMM_32, 1, 0x04), Mask.FUNCT6, (s) =>
    s.setX(s.i64.shl(s.i64.extendI32U(s.w1()), s.immediate())),
  ),
  // Zbb: basic bit manipulation.
  binary("zbb", "andn", Opcode.OP, 7, 0x20, (s) => s.i64.and(s.x1(), s.i64.xor(s.x2(), -1))),
  binary("zbb", "orn", Opcode.OP, 6, 0x20, (s) => s.i64.or(s.x1(), s.i64.xor(s.x2(), -1))),
  binary("zbb", "xnor", Opcode.OP, 4, 0x20, (s) => s.i64.xor(s.i64.xor(s.x1(), s.x2()), -1)),
  unary("clz", Opcode.OP_IMM, 1, 0x600, (s) => s.i64.clz(s.x1())),
  unary("ctz", Opcode.OP_IMM, 1, 0x601, (s) => s.i64.ctz(s.x1())),
  unary("cpop", Opcode.OP_IMM, 1, 0x602, (s) => s.i64.popcnt(s.x1())),
  unary("clzw", Opcode.OP_IMM_32, 1, 0x600, (s) => s.i64.extendI32U(s.i32.clz(s.w1()))),
  unary("ctzw", Opcode.OP_IMM_32, 1, 0x601, (s) => s.i64.extendI32U(s.i32.ctz(s.w1()))),
  unary("cpopw", Opcode.OP_IMM_32, 1, 0x602, (s) => s.i64.extendI32U(s.i32.popcnt(s.w1()))),
  unary("sext.b", Opcode.OP_IMM, 1, 0x604, (s) => s.i64.extend8S(s.x1())),
  unary("sext.h", Opcode.OP_IMM, 1, 0x605, (s) => s.i64.extend16S(s.x1())),
  unary("zext.h", Opcode.OP_32, 4, 0x080, (s) => s.i64.and(s.x1(), 0xffff)),
  unary("orc.b", Opcode.OP_IMM, 5, 0x287, orCombine),
  unary("rev8", Opcode.OP_IMM, 5, 0x6b8, (s) => reverseBytes(s.code, s.code.let64(s.x1()))),
  binary("zbb", "max", Opcode.OP, 6, 0x05, (s) => extreme(s, (a, b) => s.i64.gtS(a, b))),
  binary("zbb", "maxu", Opcode.OP, 7, 0x05, (s) => extreme(s, (a, b) => s.i64.gtU(a, b))),
  binary("zbb", "min", Opcode.OP, 4, 0x05, (s) => extreme(s, (a, b) => s.i64.ltS(a, b))),
  binary("zbb", "minu", Opcode.OP, 5, 0x05, (s) => extreme(s, (a, b) => s.i64.ltU(a, b))),
  binary("zbb", "rol", Opcode.OP, 1, 0x30, (s) => s.i64.rotl(s.x1(), s.x2())),
  binary("zbb", "ror", Opcode.OP, 5, 0x30, (s) => s.i64.rotr(s.x1(), s.x2())),
  binary("zbb", "rolw", Opcode.OP_32, 1, 0x30, (s) => s.i64.extendI32S(s.i32.rotl(s.w1(), s.w2()))),
  binary("zbb", "rorw", Opcode.OP_32, 5, 0x30, (s) => s.i64.extendI32S(s.i32.rotr(s.w1(), s.w2()))),
  instruction("zbb", "rori", "rd, rs1, shamt6", encoding(Opcode.OP_IMM, 5, 0x30), Mask.FUNCT6, (s) =>
    s.setX(s.i64.rotr(s.x1(), s.immediate())),
  ),
  instruction("zbb", "roriw", "rd, rs1, shamt5", encoding(Opcode.OP_IMM_32, 5, 0x30), Mask.FUNCT7, (s) =>
    s.setW(s.i32.rotr(s.w1(), s.immediate32())),
  ),
  // Zbs: single bits.
  ...singleBit("bclr", 1, 0x24, (s, bit) => s.i64.and(s.x1(), s.i64.xor(bit(), -1))),
  ...singleBit("bext", 5, 0x24, (s, _bit, index) => s.i64.and(s.i64.shrU(s.x1(), index()), 1)),
  ...singleBit("binv", 1, 0x34, (s, bit) => s.i64.xor(s.x1(), bit())),
  ...singleBit("bset", 1, 0x14, (s, bit) => s.i64.or(s.x1(), bit())),
];

/** An instruction on two registers whose result is a value of them. */
export function binary(
  extension: Extension,
  name: string,
  opcode: number,
  funct3: number,
  funct7: number,
  value: (s: Semantics) => I64,
): Instruction {
  const match = encoding(opcode, funct3, funct7);
  return instruction(extension, name, "rd, rs1, rs2", match, Mask.FUNCT7, (s) => s.setX(value(s)));
}

function unary(
  name: string,
  opcode: number,
  funct3: number,
  funct12: number,
  value: (s: Semantics) => I64,
): Instruction {
  const match = encoding(opcode, funct3) | (funct12 << 20);
  return instruction("zbb", name, "rd, rs1", match, Mask.FUNCT12, (s) => s.setX(value(s)));
}

function singleBit(
  name: string,
  funct3: number,
  funct7: number,
  value: (s: Semantics, bit: () => I64, index: () => I64) => I64,
): Instruction[] {
  const execute = (s: Semantics, index: () => I64): void =>
    s.setX(value(s, () => s.i64.shl(s.i64.const(1), index()), index));
  return [
    instruction("zbs", name, "rd, rs1, rs2", encoding(Opcode.OP, funct3, funct7), Mask.FUNCT7, (s) =>
      execute(s, () => s.x2()),
    ),
    instruction(
      "zbs",
      `${name}i`,
      "rd, rs1, shamt6",
      encoding(Opcode.OP_IMM, funct3, funct7),
      Mask.FUNCT6,
      (s) => execute(s, () => s.immediate()),
    ),
  ];
}

function extreme(s: Semantics, first: (a: I64, b: I64) => I32): I64 {
  const a = s.code.let64(s.x1());
  const b = s.code.let64(s.x2());
  return s.code.select(a.get(), b.get(), first(a.get(), b.get()));
}

/** Each byte becomes 0xff if any of its bits is set. */
function orCombine(s: Semantics): I64 {
  const { code, i64 } = s;
  const value = code.let64(s.x1());
  // The top bit of each byte says whether the byte is not zero.
  const marks = code.let64(
    i64.and(
      i64.or(i64.add(i64.and(value.get(), 0x7f7f7f7f7f7f7f7fn), 0x7f7f7f7f7f7f7f7fn), value.get()),
      0x8080808080808080n,
    ),
  );
  return i64.or(i64.sub(marks.get(), i64.shrU(marks.get(), 7)), marks.get());
}
