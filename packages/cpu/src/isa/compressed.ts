import { FIELDS, type FieldName } from "./fields.ts";
import type { Instruction } from "./instruction.ts";

/** Where an operand of a compressed instruction comes from: its bits, or a constant. */
export type Source =
  | number
  /** A five-bit register at this bit. */
  | { readonly register: number }
  /** A three-bit register (x8 to x15) at this bit. */
  | { readonly short: number }
  | Immediate;

export interface Immediate {
  /** Pieces `[instruction bit, immediate bit, width]`. */
  readonly pieces: readonly (readonly [number, number, number])[];
  /** Bits of the immediate, for sign extension; 0 when unsigned. */
  readonly signBits: number;
  readonly nonzero: boolean;
}

/** A 16-bit instruction (unprivileged specification, chapter 26): a short spelling of a 32-bit one. */
export interface CompressedInstruction {
  readonly name: string;
  readonly extension: "c" | "zcb" | "zcmop";
  readonly match: number;
  readonly mask: number;
  /** Name of the 32-bit instruction that it stands for. */
  readonly base: string;
  readonly operands: Readonly<Partial<Record<FieldName, Source>>>;
  /** Sets of bits that must not all be zero; where they are, another row or none applies. */
  readonly nonzero: readonly number[];
}

/** Reads the specification's notation: instruction bits such as `12|6:2` hold immediate bits such as `5|4:0`. */
function immediate(
  bits: string,
  at: string,
  options: { signed?: boolean; nonzero?: boolean } = {},
): Immediate {
  const ranges = (text: string): number[] =>
    text.split("|").flatMap((range) => {
      const [high = 0, low = high] = range.split(":").map(Number);
      return Array.from({ length: high - low + 1 }, (_, i) => high - i);
    });
  const places = ranges(at);
  const pieces = ranges(bits).map((bit, index) => [places[index] as number, bit, 1] as const);
  const signBits = options.signed === true ? Math.max(...pieces.map(([, bit]) => bit)) + 1 : 0;
  return { pieces, signBits, nonzero: options.nonzero === true };
}

const short = (at: number): Source => ({ short: at });
const RD: Source = { register: 7 };
const RS2: Source = { register: 2 };
const IMM6 = immediate("5|4:0", "12|6:2", { signed: true });
const IMM6_NONZERO = immediate("5|4:0", "12|6:2", { signed: true, nonzero: true });
const SHAMT = immediate("5|4:0", "12|6:2");
const WORD = immediate("5:3|2|6", "12:10|6|5");
const DOUBLE = immediate("5:3|7:6", "12:10|6:5");
const WORD_SP = immediate("5|4:2|7:6", "12|6:4|3:2");
const DOUBLE_SP = immediate("5|4:3|8:6", "12|6:5|4:2");
const STORE_WORD_SP = immediate("5:2|7:6", "12:9|8:7");
const STORE_DOUBLE_SP = immediate("5:3|8:6", "12:10|9:7");
const JUMP = immediate("11|4|9:8|10|6|7|3:1|5", "12|11|10:9|8|7|6|5:3|2", { signed: true });
const BRANCH = immediate("8|4:3|7:6|2:1|5", "12|11:10|6:5|4:3|2", { signed: true });

type Row = readonly [
  name: string,
  match: number,
  mask: number,
  base: string,
  operands: Readonly<Partial<Record<FieldName, Source>>>,
  nonzero?: readonly number[],
];

const BYTE = immediate("1|0", "5|6");
const HALF = immediate("1", "5");

/** Zcb (chapter 27): simple ones that C left out. */
const ZCB_ROWS: readonly Row[] = [
  ["c.lbu", 0x8000, 0xfc03, "lbu", { rd: short(2), rs1: short(7), immI: BYTE }],
  ["c.lhu", 0x8400, 0xfc43, "lhu", { rd: short(2), rs1: short(7), immI: HALF }],
  ["c.lh", 0x8440, 0xfc43, "lh", { rd: short(2), rs1: short(7), immI: HALF }],
  ["c.sb", 0x8800, 0xfc03, "sb", { rs2: short(2), rs1: short(7), immS: BYTE }],
  ["c.sh", 0x8c00, 0xfc43, "sh", { rs2: short(2), rs1: short(7), immS: HALF }],
  ["c.mul", 0x9c41, 0xfc63, "mul", { rd: short(7), rs1: short(7), rs2: short(2) }],
  ["c.zext.b", 0x9c61, 0xfc7f, "andi", { rd: short(7), rs1: short(7), immI: 255 }],
  ["c.sext.b", 0x9c65, 0xfc7f, "sext.b", { rd: short(7), rs1: short(7) }],
  ["c.zext.h", 0x9c69, 0xfc7f, "zext.h", { rd: short(7), rs1: short(7) }],
  ["c.sext.h", 0x9c6d, 0xfc7f, "sext.h", { rd: short(7), rs1: short(7) }],
  ["c.zext.w", 0x9c71, 0xfc7f, "add.uw", { rd: short(7), rs1: short(7), rs2: 0 }],
  ["c.not", 0x9c75, 0xfc7f, "xori", { rd: short(7), rs1: short(7), immI: -1 }],
];

/** Zcmop (chapter 10): may-be-operations, which for now do nothing. */
const ZCMOP_ROWS: readonly Row[] = Array.from({ length: 8 }, (_, index) => [
  `c.mop.${2 * index + 1}`,
  0x6081 | (index << 8),
  0xffff,
  "addi",
  { rd: 0, rs1: 0, immI: 0 },
]);

/** In order of precedence: the first row that matches counts. */
const ROWS: readonly Row[] = [
  [
    "c.addi4spn",
    0x0000,
    0xe003,
    "addi",
    { rd: short(2), rs1: 2, immI: immediate("5:4|9:6|2|3", "12:11|10:7|6|5", { nonzero: true }) },
  ],
  ["c.fld", 0x2000, 0xe003, "fld", { fd: short(2), rs1: short(7), immI: DOUBLE }],
  ["c.lw", 0x4000, 0xe003, "lw", { rd: short(2), rs1: short(7), immI: WORD }],
  ["c.ld", 0x6000, 0xe003, "ld", { rd: short(2), rs1: short(7), immI: DOUBLE }],
  ["c.fsd", 0xa000, 0xe003, "fsd", { fs2: short(2), rs1: short(7), immS: DOUBLE }],
  ["c.sw", 0xc000, 0xe003, "sw", { rs2: short(2), rs1: short(7), immS: WORD }],
  ["c.sd", 0xe000, 0xe003, "sd", { rs2: short(2), rs1: short(7), immS: DOUBLE }],
  ["c.nop", 0x0001, 0xef83, "addi", { rd: 0, rs1: 0, immI: IMM6 }],
  ["c.addi", 0x0001, 0xe003, "addi", { rd: RD, rs1: RD, immI: IMM6 }],
  ["c.addiw", 0x2001, 0xe003, "addiw", { rd: RD, rs1: RD, immI: IMM6 }, [7]],
  ["c.li", 0x4001, 0xe003, "addi", { rd: RD, rs1: 0, immI: IMM6 }],
  [
    "c.addi16sp",
    0x6101,
    0xef83,
    "addi",
    { rd: 2, rs1: 2, immI: immediate("9|4|6|8:7|5", "12|6|5|4:3|2", { signed: true, nonzero: true }) },
  ],
  ["c.lui", 0x6001, 0xe003, "lui", { rd: RD, immU: IMM6_NONZERO }],
  ["c.srli", 0x8001, 0xec03, "srli", { rd: short(7), rs1: short(7), shamt6: SHAMT }],
  ["c.srai", 0x8401, 0xec03, "srai", { rd: short(7), rs1: short(7), shamt6: SHAMT }],
  ["c.andi", 0x8801, 0xec03, "andi", { rd: short(7), rs1: short(7), immI: IMM6 }],
  ...(["sub", "xor", "or", "and"] as const).map(
    (name, i): Row => [
      `c.${name}`,
      0x8c01 | (i << 5),
      0xfc63,
      name,
      { rd: short(7), rs1: short(7), rs2: short(2) },
    ],
  ),
  ["c.subw", 0x9c01, 0xfc63, "subw", { rd: short(7), rs1: short(7), rs2: short(2) }],
  ["c.addw", 0x9c21, 0xfc63, "addw", { rd: short(7), rs1: short(7), rs2: short(2) }],
  ["c.j", 0xa001, 0xe003, "jal", { rd: 0, immJ: JUMP }],
  ["c.beqz", 0xc001, 0xe003, "beq", { rs1: short(7), rs2: 0, immB: BRANCH }],
  ["c.bnez", 0xe001, 0xe003, "bne", { rs1: short(7), rs2: 0, immB: BRANCH }],
  ["c.slli", 0x0002, 0xe003, "slli", { rd: RD, rs1: RD, shamt6: SHAMT }],
  ["c.fldsp", 0x2002, 0xe003, "fld", { fd: RD, rs1: 2, immI: DOUBLE_SP }],
  ["c.lwsp", 0x4002, 0xe003, "lw", { rd: RD, rs1: 2, immI: WORD_SP }, [7]],
  ["c.ldsp", 0x6002, 0xe003, "ld", { rd: RD, rs1: 2, immI: DOUBLE_SP }, [7]],
  ["c.jr", 0x8002, 0xf07f, "jalr", { rd: 0, rs1: RD, immI: 0 }, [7]],
  ["c.mv", 0x8002, 0xf003, "add", { rd: RD, rs1: 0, rs2: RS2 }, [2]],
  ["c.ebreak", 0x9002, 0xffff, "ebreak", {}],
  ["c.jalr", 0x9002, 0xf07f, "jalr", { rd: 1, rs1: RD, immI: 0 }, [7]],
  ["c.add", 0x9002, 0xf003, "add", { rd: RD, rs1: RD, rs2: RS2 }, [2]],
  ["c.fsdsp", 0xa002, 0xe003, "fsd", { fs2: RS2, rs1: 2, immS: STORE_DOUBLE_SP }],
  ["c.swsp", 0xc002, 0xe003, "sw", { rs2: RS2, rs1: 2, immS: STORE_WORD_SP }],
  ["c.sdsp", 0xe002, 0xe003, "sd", { rs2: RS2, rs1: 2, immS: STORE_DOUBLE_SP }],
];

function describe(
  extension: CompressedInstruction["extension"],
  rows: readonly Row[],
): CompressedInstruction[] {
  return rows.map(([name, match, mask, base, operands, registers = []]) => {
    const nonzero = registers.map((at) => 31 << at);
    for (const source of Object.values(operands)) {
      if (typeof source === "object" && "pieces" in source && source.nonzero)
        nonzero.push(immediateBits(source));
    }
    return { name, extension, match, mask, base, operands, nonzero };
  });
}

export const compressed: readonly CompressedInstruction[] = [
  ...describe("c", ROWS),
  ...describe("zcb", ZCB_ROWS),
  ...describe("zcmop", ZCMOP_ROWS),
];

function immediateBits({ pieces }: Immediate): number {
  return pieces.reduce((bits, [at, , width]) => bits | ((2 ** width - 1) << at), 0);
}

/** What illegal 16-bit parcels expand to: a word that no instruction has. */
const ILLEGAL = 0xffffffff;

function operandValue(source: Source, half: number): number {
  if (typeof source === "number") return source;
  if ("register" in source) return (half >>> source.register) & 31;
  if ("short" in source) return 8 + ((half >>> source.short) & 7);
  let value = 0;
  for (const [at, bit, width] of source.pieces) value |= ((half >>> at) & (2 ** width - 1)) << bit;
  return source.signBits > 0 ? (value << (32 - source.signBits)) >> (32 - source.signBits) : value;
}

function isMatch({ match, mask, nonzero }: CompressedInstruction, half: number): boolean {
  return (half & mask) === match && nonzero.every((bits) => (half & bits) !== 0);
}

/** The compressed instruction that a 16-bit parcel is, if any. */
export function findCompressed(half: number): CompressedInstruction | undefined {
  return compressed.find((row) => isMatch(row, half));
}

function expandAs(row: CompressedInstruction, half: number, base: Instruction): number {
  let word = base.match;
  for (const [field, source] of Object.entries(row.operands) as [FieldName, Source][]) {
    const value = operandValue(source, half);
    word |= FIELDS[field].encode(field === "immU" ? value & 0xfffff : value);
  }
  return word >>> 0;
}

/** The 32-bit instruction word that a 16-bit parcel stands for, or {@link ILLEGAL}. */
export function expand(half: number, find: (name: string) => Instruction): number {
  const row = findCompressed(half);
  return row === undefined ? ILLEGAL : expandAs(row, half, find(row.base));
}

/** The words of all 16-bit parcels, as {@link expand} gives them; what is no parcel (low bits 11) stays 0. */
export function expandAll(find: (name: string) => Instruction): Uint32Array {
  const table = new Uint32Array(65536);
  for (let half = 0; half < 65536; half++) if ((half & 3) !== 3) table[half] = ILLEGAL;
  for (const row of compressed.toReversed()) {
    // Each bit of the parcel flips the same bits of the word, whatever the others are.
    const base = find(row.base);
    const zero = expandAs(row, row.match, base);
    const free = ~row.mask & 0xffff;
    const flips = Array.from({ length: 16 }, (_, bit) =>
      (free >> bit) & 1 ? expandAs(row, row.match | (1 << bit), base) ^ zero : 0,
    );
    let bits = free;
    do {
      bits = (bits - free) & free;
      if (!isMatch(row, row.match | bits)) continue;
      let word = zero;
      for (let rest = bits; rest !== 0; rest &= rest - 1)
        word ^= flips[31 - Math.clz32(rest & -rest)] as number;
      table[row.match | bits] = word;
    } while (bits !== free);
  }
  return table;
}

function place(source: Source, value: number): number | undefined {
  if (typeof source === "number") return value === source ? 0 : undefined;
  if ("register" in source) return value << source.register;
  if ("short" in source) return value >= 8 && value < 16 ? (value - 8) << source.short : undefined;
  let half = 0;
  for (const [at, bit, width] of source.pieces) half |= ((value >> bit) & (2 ** width - 1)) << at;
  return operandValue(source, half) === value ? half : undefined;
}

/**
 * The 16-bit parcel of a compressed instruction with these values of the 32-bit instruction's fields; those that it
 * fixes or has twice may be left out. Undefined when it has no room for them.
 */
export function encodeCompressed(
  row: CompressedInstruction,
  values: Readonly<Partial<Record<FieldName, number>>>,
): number | undefined {
  let half = row.match;
  for (const [field, source] of Object.entries(row.operands) as [FieldName, Source][]) {
    const value = values[field];
    if (value === undefined) continue;
    const bits = place(source, field === "immU" ? (value << 12) >> 12 : value);
    if (bits === undefined) return undefined;
    half |= bits;
  }
  return findCompressed(half) === row ? half : undefined;
}

/**
 * Assembly operands of a compressed instruction in the notation of {@link Instruction.syntax}: those of its 32-bit
 * instruction, less a source register that is the destination too, and less what is fixed, unless that is sp.
 */
export function compressedSyntax(row: CompressedInstruction, base: Instruction): string {
  const { rd, rs1 } = row.operands;
  const modifies = rd !== undefined && JSON.stringify(rd) === JSON.stringify(rs1);
  const hidden = (field: string): boolean => {
    const source = row.operands[field as FieldName];
    return (field === "rs1" && modifies) || (typeof source === "number" && source !== 2);
  };
  return base.syntax
    .replace(/\w+/g, (field) => (hidden(field) ? "" : field))
    .replace(/(^|, )\((\w+)\)/, "$1$2")
    .split(", ")
    .filter((operand) => operand !== "")
    .join(", ");
}
