import type { Code, I64, Var } from "@isomorph/wasm";
import { binary } from "./bit-manipulation.ts";
import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import { pureBinary } from "./pure-function.ts";
import { reverseBitsInBytes } from "./reverse.ts";

/** What Zbkb and Zbkx add to Zbb and Zbc (unprivileged specification, chapter 32). */
export const cryptoBits: readonly Instruction[] = [
  binary("zbkb", "pack", Opcode.OP, 4, 0x04, (s) =>
    s.i64.or(s.i64.extendI32U(s.w1()), s.i64.shl(s.x2(), 32)),
  ),
  binary("zbkb", "packh", Opcode.OP, 7, 0x04, (s) =>
    s.i64.or(s.i64.and(s.x1(), 0xff), s.i64.shl(s.i64.and(s.x2(), 0xff), 8)),
  ),
  // With x0 it is zext.h, which stands before it in the list of all instructions.
  binary("zbkb", "packw", Opcode.OP_32, 4, 0x04, (s) =>
    s.i64.extendI32S(s.i32.or(s.i32.and(s.w1(), 0xffff), s.i32.shl(s.w2(), 16))),
  ),
  instruction("zbkb", "brev8", "rd, rs1", encoding(Opcode.OP_IMM, 5) | (0x687 << 20), Mask.FUNCT12, (s) =>
    s.setX(reverseBitsInBytes(s.code, s.code.let64(s.x1()))),
  ),
  lookup("xperm4", 2, permuteNibbles),
  lookup("xperm8", 4, permuteBytes),
];

function lookup(
  name: string,
  funct3: number,
  emit: (code: Code, table: Var<"i64">, indices: Var<"i64">) => I64,
): Instruction {
  const target = pureBinary(name, emit);
  return binary("zbkx", name, Opcode.OP, funct3, 0x14, (s) => s.apply(target, s.x1(), s.x2()));
}

/** Takes the fields of `table`, 2^`log2` bits each, that the low bits of the fields of `indices` name. */
function permute(code: Code, table: Var<"i64">, indices: Var<"i64">, log2: 2 | 3): I64 {
  const { i64 } = code;
  const width = 1 << log2;
  const field = (place: number): I64 => {
    const entries = table.get();
    // The index times the width: a shift count.
    const moved = place === 0 ? i64.shl(indices.get(), log2) : i64.shrU(indices.get(), place - log2);
    const value = i64.and(i64.shrU(entries, i64.and(moved, 64 - width)), (1 << width) - 1);
    return place === 0 ? value : i64.shl(value, place);
  };
  const places = Array.from({ length: 64 / width - 1 }, (_, index) => (index + 1) * width);
  return places.reduce((sum, place) => i64.or(sum, field(place)), field(0));
}

function permuteNibbles(code: Code, table: Var<"i64">, indices: Var<"i64">): I64 {
  return permute(code, table, indices, 2);
}

/** Bytes whose index is past the table are zero. */
function permuteBytes(code: Code, table: Var<"i64">, indices: Var<"i64">): I64 {
  const { i64 } = code;
  const found = code.let64(permute(code, table, indices, 3));
  const past = i64.and(indices.get(), maskOf(0xf8));
  // The top bit of each byte says whether the index is past; then it fills the byte.
  const marks = code.let64(i64.and(i64.add(i64.shrU(past, 1), maskOf(0x7c)), maskOf(0x80)));
  marks.set(i64.sub(i64.shl(marks.get(), 1), i64.shrU(marks.get(), 7)));
  return i64.and(found.get(), i64.xor(marks.get(), -1));
}

/** A byte eight times. */
function maskOf(byte: number): bigint {
  return BigInt.asIntN(64, BigInt(byte) * 0x0101_0101_0101_0101n);
}
