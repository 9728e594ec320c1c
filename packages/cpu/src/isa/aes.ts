import type { Code, I32, I64, Var } from "@isomorph/wasm";
import { CryptoTable } from "./crypto-tables.ts";
import { encoding, type Instruction, instruction, Mask, Opcode } from "./instruction.ts";
import { type PureFunction, pureBinary, pureUnary } from "./pure-function.ts";
import type { Semantics } from "./semantics.ts";

/** Zkne and Zknd: AES on half a state at a time (unprivileged specification, chapter 32; FIPS 197). */
export const aes: readonly Instruction[] = [
  pair("zkne", "aes64es", 0x19, (code, a, b) => finalRound(code, a, b, ENCRYPT)),
  pair("zkne", "aes64esm", 0x1b, (code, a, b) => middleRound(code, a, b, ENCRYPT)),
  pair("zknd", "aes64ds", 0x1d, (code, a, b) => finalRound(code, a, b, DECRYPT)),
  pair("zknd", "aes64dsm", 0x1f, (code, a, b) => middleRound(code, a, b, DECRYPT)),
  instruction("zknd", "aes64im", "rd, rs1", encoding(Opcode.OP_IMM, 1) | (0x300 << 20), Mask.FUNCT12, (s) =>
    s.setX(s.apply(inverseMixColumns, s.x1())),
  ),
  instruction(
    "zkne",
    "aes64ks1i",
    "rd, rs1, rnum",
    encoding(Opcode.OP_IMM, 1, 0x18) | (1 << 24),
    0xff00707f,
    keySchedule,
  ),
  instruction("zkne", "aes64ks2", "rd, rs1, rs2", encoding(Opcode.OP, 0, 0x3f), Mask.FUNCT7, (s) => {
    // Words of the key: the low result is the first one with the upper half of rs1, the high one adds the second.
    const { i64 } = s;
    const low = s.code.let64(i64.xor(i64.shrU(s.x1(), 32), s.x2()));
    const words = i64.xor(low.get(), i64.shl(low.get(), 32));
    s.setX(words);
  }),
];

/** A direction of the cipher. */
interface Direction {
  /** Columns by the byte in row 0. */
  readonly columns: number;
  /** Substitutes: where the one for byte 0 is, and the binary logarithm of the distance to the next. */
  readonly substitutes: number;
  readonly log2: 0 | 2;
  /** How many columns to the right (or left) row 1 is taken from; row n from n times that. */
  readonly step: 1 | -1;
}

// Rows 1 and 2 of a column by its byte in row 0 are the substitute itself.
const ENCRYPT: Direction = {
  columns: CryptoTable.AES_ENCRYPT,
  substitutes: CryptoTable.AES_ENCRYPT + 1,
  log2: 2,
  step: 1,
};
const DECRYPT: Direction = {
  columns: CryptoTable.AES_DECRYPT,
  substitutes: CryptoTable.AES_INVERSE,
  log2: 0,
  step: -1,
};

function pair(
  extension: "zkne" | "zknd",
  name: string,
  funct7: number,
  emit: PureFunction["emit"],
): Instruction {
  const target = pureBinary(name, emit);
  return instruction(extension, name, "rd, rs1, rs2", encoding(Opcode.OP, 0, funct7), Mask.FUNCT7, (s) =>
    s.setX(s.apply(target, s.x1(), s.x2())),
  );
}

/** A byte of a word, 0 the lowest, times the size of a table's entries. */
function byteOffset(code: Code, word: Var<"i32">, byte: number, log2: 0 | 2): I32 {
  const { i32 } = code;
  if (byte === 0) {
    const lowest = i32.and(word.get(), 0xff);
    return log2 === 0 ? lowest : i32.shl(lowest, log2);
  }
  return i32.and(i32.shrU(word.get(), 8 * byte - log2), 0xff << log2);
}

/** The words of a state whose lower half is `a`. */
function stateWords(code: Code, a: Var<"i64">, b: Var<"i64">): Var<"i32">[] {
  const { i32, i64 } = code;
  return [a, b].flatMap((half) => [
    code.let32(i32.wrapI64(half.get())),
    code.let32(i32.wrapI64(i64.shrU(half.get(), 32))),
  ]);
}

/** Two words, the low one first. */
function join(code: Code, word: (index: 0 | 1) => I32): I64 {
  const { i64 } = code;
  const low = i64.extendI32U(word(0));
  return i64.or(low, i64.shl(i64.extendI32U(word(1)), 32));
}

/** The two columns of the result after ShiftRows, from what `entry` makes of a byte in a row. */
function columns(
  code: Code,
  words: readonly Var<"i32">[],
  step: number,
  entry: (word: Var<"i32">, row: number) => I32,
): I64 {
  const { i32 } = code;
  return join(code, (column) =>
    [1, 2, 3].reduce(
      (sum, row) => i32.xor(sum, entry(words[(column + step * row) & 3] as Var<"i32">, row)),
      entry(words[column] as Var<"i32">, 0),
    ),
  );
}

function middleRound(code: Code, a: Var<"i64">, b: Var<"i64">, { columns: table, step }: Direction): I64 {
  return columns(code, stateWords(code, a, b), step, (word, row) => mixed(code, word, row, table));
}

/** What a byte contributes to its column after MixColumns. */
function mixed(code: Code, word: Var<"i32">, row: number, table: number): I32 {
  const { i32 } = code;
  const entry = i32.load(byteOffset(code, word, row, 2), table);
  return row === 0 ? entry : i32.rotl(entry, 8 * row);
}

function finalRound(code: Code, a: Var<"i64">, b: Var<"i64">, { substitutes, log2, step }: Direction): I64 {
  return columns(code, stateWords(code, a, b), step, (word, row) =>
    substituted(code, word, row, substitutes, log2),
  );
}

/** The substitute of a byte, in its place. */
function substituted(code: Code, word: Var<"i32">, row: number, table: number, log2: 0 | 2): I32 {
  const { i32 } = code;
  const byte = i32.load8U(byteOffset(code, word, row, log2), table);
  return row === 0 ? byte : i32.shl(byte, 8 * row);
}

/** InvMixColumns alone: the substitution that the table has undoes one that is made first. */
const inverseMixColumns: PureFunction = pureUnary("aes64im", (code, a) => {
  const words = stateWords(code, a, a).slice(0, 2);
  for (const word of words) word.set(substituteWord(code, word));
  return columns(code, words, 0, (word, row) => mixed(code, word, row, CryptoTable.AES_DECRYPT));
});

function substituteWord(code: Code, word: Var<"i32">): I32 {
  const { i32 } = code;
  const byte = (row: number): I32 => substituted(code, word, row, ENCRYPT.substitutes, ENCRYPT.log2);
  return [1, 2, 3].reduce((sum, row) => i32.or(sum, byte(row)), byte(0));
}

/** The upper word of rs1, rotated unless it is for the last half of a 256-bit round, substituted, in both halves. */
function keySchedule(s: Semantics): void {
  const { code, i32, i64 } = s;
  s.illegalIf(i32.gtU(s.immediate32(), 10));
  const upper = i32.wrapI64(i64.shrU(s.x1(), 32));
  const word = code.let32(i32.rotr(upper, i32.shl(i32.ne(s.immediate32(), 10), 3)));
  word.set(substituteWord(code, word));
  const constant = i32.load8U(s.immediate32(), CryptoTable.AES_ROUND_CONSTANTS);
  word.set(i32.xor(constant, word.get()));
  s.setX(join(code, () => word.get()));
}
