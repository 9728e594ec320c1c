import type { I32, I64 } from "@isomorph/wasm";
import { CryptoTable } from "./crypto-tables.ts";
import { type Extension, encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import type { Semantics } from "./semantics.ts";

/** Zknh, Zksh and Zksed: SHA-2, SM3 and SM4 (unprivileged specification, chapter 32). */
export const hash: readonly Instruction[] = [
  // FIPS 180-4, sections 4.1.2 and 4.1.3.
  word("zknh", "sha256sum0", 0x100, [2, 13, 22]),
  word("zknh", "sha256sum1", 0x101, [6, 11, 25]),
  word("zknh", "sha256sig0", 0x102, [7, 18], 3),
  word("zknh", "sha256sig1", 0x103, [17, 19], 10),
  doubleword("sha512sum0", 0x104, [28, 34, 39]),
  doubleword("sha512sum1", 0x105, [14, 18, 41]),
  doubleword("sha512sig0", 0x106, [1, 8], 7),
  doubleword("sha512sig1", 0x107, [19, 61], 6),
  // GB/T 32905-2016, section 4.4: rotations to the left, by none among them.
  word("zksh", "sm3p0", 0x108, [0, 32 - 9, 32 - 17]),
  word("zksh", "sm3p1", 0x109, [0, 32 - 15, 32 - 23]),
  sm4("sm4ed", 0x18, CryptoTable.SM4_ROUND),
  sm4("sm4ks", 0x1a, CryptoTable.SM4_KEY),
];

function unary(
  extension: Extension,
  name: string,
  funct12: number,
  execute: (s: Semantics) => void,
): Instruction {
  const match = encoding(Opcode.OP_IMM, 1) | (funct12 << 20);
  return instruction(extension, name, "rd, rs1", match, Mask.FUNCT12, execute);
}

/** The low half of rs1 rotated right by several counts, and shifted by one, all added. */
function word(
  extension: Extension,
  name: string,
  funct12: number,
  rotations: readonly number[],
  shift?: number,
): Instruction {
  return unary(extension, name, funct12, (s) => {
    const { i32 } = s;
    const value = s.code.let32(s.w1());
    const rotated = (count: number): I32 => (count === 0 ? value.get() : i32.rotr(value.get(), count));
    const [first = 0, ...rest] = rotations;
    const sum = rest.reduce((total, count) => i32.xor(total, rotated(count)), rotated(first));
    s.setW(shift === undefined ? sum : i32.xor(sum, i32.shrU(value.get(), shift)));
  });
}

/** The same with all of rs1. */
function doubleword(
  name: string,
  funct12: number,
  rotations: readonly number[],
  shift?: number,
): Instruction {
  return unary("zknh", name, funct12, (s) => {
    const { i64 } = s;
    const value = s.code.let64(s.x1());
    const rotated = (count: number): I64 => i64.rotr(value.get(), count);
    const [first = 0, ...rest] = rotations;
    const sum = rest.reduce((total, count) => i64.xor(total, rotated(count)), rotated(first));
    s.setX(shift === undefined ? sum : i64.xor(sum, i64.shrU(value.get(), shift)));
  });
}

/** A quarter of a round: the table's word for one byte of rs2, moved to the byte's place and added to rs1. */
function sm4(name: string, funct5: number, table: number): Instruction {
  const match = encoding(Opcode.OP, 0, funct5);
  return instruction("zksed", name, "rd, rs1, rs2, byteSelect", match, 0x3e00707f, (s) => {
    const { i32 } = s;
    const place = s.code.let32(i32.shl(s.immediate32(), 3));
    const byte = i32.and(i32.shrU(s.w2(), place.get()), 0xff);
    const moved = s.code.let32(i32.rotl(i32.load(i32.shl(byte, 2), table), place.get()));
    s.setW(i32.xor(s.w1(), moved.get()));
  });
}
