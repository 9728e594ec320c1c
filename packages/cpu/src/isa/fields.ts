/**
 * Operand fields of 32-bit instructions (RISC-V unprivileged specification 20240411, section 2.3): where each operand
 * sits in the instruction word, and how it reads in assembly.
 */
export interface Field {
  /** What the operand is: an integer or floating-point register, an immediate, or a named thing. */
  readonly kind: "x" | "f" | "immediate" | "constant" | "csr" | "rounding" | "ordering" | "fence";
  /** Takes the operand out of an instruction word: a register number, or a signed number. */
  readonly decode: (word: number) => number;
  /** The bits that hold `value`. Throws a RangeError when it does not fit. */
  readonly encode: (value: number) => number;
}

function register(kind: "x" | "f", shift: number): Field {
  return {
    kind,
    decode: (word) => (word >>> shift) & 31,
    encode: (value) => (unsigned(value, 5, "register") << shift) >>> 0,
  };
}

function unsigned(value: number, bits: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new RangeError(`${what} ${value} does not fit ${bits} unsigned bits`);
  }
  return value;
}

function signed(value: number, bits: number, granule: number): number {
  const limit = 2 ** (bits - 1);
  if (!Number.isInteger(value) || value < -limit || value >= limit || value % granule !== 0) {
    throw new RangeError(`immediate ${value} is not a multiple of ${granule} in ${bits} signed bits`);
  }
  return value;
}

/**
 * An immediate whose pieces are `[instruction bit, immediate bit, width]`, lowest pieces in any order. `decode` says the
 * same: translators decode often.
 */
function immediate(
  bits: number,
  granule: number,
  pieces: readonly (readonly [number, number, number])[],
  decode: (word: number) => number,
): Field {
  return {
    kind: "immediate",
    decode,
    encode: (value) => {
      const checked = signed(value, bits, granule);
      let word = 0;
      for (const [at, bit, width] of pieces) word |= ((checked >> bit) & (2 ** width - 1)) << at;
      return word >>> 0;
    },
  };
}

function small(kind: Field["kind"], at: number, bits: number, what: string): Field {
  return {
    kind,
    decode: (word) => (word >>> at) & (2 ** bits - 1),
    encode: (value) => (unsigned(value, bits, what) << at) >>> 0,
  };
}

/** The operand fields that instructions have. */
export type FieldName =
  | "rd"
  | "rs1"
  | "rs2"
  | "fd"
  | "fs1"
  | "fs2"
  | "fs3"
  | "immI"
  | "immS"
  | "immB"
  | "immU"
  | "immJ"
  | "shamt5"
  | "shamt6"
  | "byteSelect"
  | "rnum"
  | "zimm"
  | "csr"
  | "rm"
  | "rtz"
  | "constant"
  | "aqrl"
  | "pred"
  | "succ";

export const FIELDS: Readonly<Record<FieldName, Field>> = {
  rd: register("x", 7),
  rs1: register("x", 15),
  rs2: register("x", 20),
  fd: register("f", 7),
  fs1: register("f", 15),
  fs2: register("f", 20),
  fs3: register("f", 27),
  immI: immediate(12, 1, [[20, 0, 12]], (word) => word >> 20),
  immS: immediate(
    12,
    1,
    [
      [7, 0, 5],
      [25, 5, 7],
    ],
    (word) => ((word >> 20) & -32) | ((word >>> 7) & 31),
  ),
  immB: immediate(
    13,
    2,
    [
      [8, 1, 4],
      [25, 5, 6],
      [7, 11, 1],
      [31, 12, 1],
    ],
    (word) => ((word >> 31) << 12) | ((word << 4) & 0x800) | ((word >>> 20) & 0x7e0) | ((word >>> 7) & 0x1e),
  ),
  /** The upper 20 bits, as assembly writes them: 0 to 0xfffff. */
  immU: small("immediate", 12, 20, "immediate"),
  immJ: immediate(
    21,
    2,
    [
      [21, 1, 10],
      [20, 11, 1],
      [12, 12, 8],
      [31, 20, 1],
    ],
    (word) => ((word >> 31) << 20) | (word & 0xff000) | ((word >>> 9) & 0x800) | ((word >>> 20) & 0x7fe),
  ),
  shamt5: small("immediate", 20, 5, "shift amount"),
  shamt6: small("immediate", 20, 6, "shift amount"),
  /** Which byte of rs2 an SM4 instruction takes. */
  byteSelect: small("immediate", 30, 2, "byte select"),
  /** The round of the AES key schedule, 0 to 10; the others are reserved. */
  rnum: {
    kind: "immediate",
    decode: (word) => (word >>> 20) & 15,
    encode: (value) => {
      if (value > 10) throw new RangeError(`round number ${value} is reserved`);
      return (unsigned(value, 4, "round number") << 20) >>> 0;
    },
  },
  /** Five-bit immediate of the CSR instructions. */
  zimm: small("immediate", 15, 5, "immediate"),
  csr: small("csr", 20, 12, "CSR number"),
  rm: small("rounding", 12, 3, "rounding mode"),
  /** A rounding mode that has to be written, and has to be this one. */
  rtz: {
    kind: "rounding",
    decode: (word) => (word >>> 12) & 7,
    encode: (value) => {
      if (value !== 1) throw new RangeError("the rounding mode is not rtz");
      return 1 << 12;
    },
  },
  /** The number of a floating-point constant. */
  constant: small("constant", 15, 5, "constant"),
  /** aq (bit 1) and rl (bit 0). */
  aqrl: small("ordering", 25, 2, "ordering"),
  pred: small("fence", 24, 4, "fence set"),
  succ: small("fence", 20, 4, "fence set"),
};
