import type { Carrier } from "./types.ts";

/** A binary interchange format (IEEE 754-2019, section 3.6) and what follows from its widths. */
export interface FloatFormat<B extends Carrier = Carrier> {
  readonly name: string;
  readonly carrier: B;
  /** Width of the encoding. */
  readonly bits: number;
  /** Width of the fraction field. */
  readonly fractionBits: number;
  /** Exponent field of infinities and NaNs. */
  readonly maxExponent: number;
  readonly bias: number;
  /** Masks and encodings in the low {@link bits} bits. */
  readonly signBit: bigint;
  readonly implicitBit: bigint;
  readonly fractionMask: bigint;
  readonly quietBit: bigint;
  readonly infinity: bigint;
  readonly canonicalNan: bigint;
  /** The WebAssembly type with the same values, where there is one. */
  readonly host: "f32" | "f64" | undefined;
}

function format<B extends Carrier>(
  name: string,
  carrier: B,
  exponentBits: number,
  fractionBits: number,
  host?: "f32" | "f64",
): FloatFormat<B> {
  const maxExponent = 2 ** exponentBits - 1;
  const implicitBit = 1n << BigInt(fractionBits);
  const infinity = BigInt(maxExponent) << BigInt(fractionBits);
  const bits = 1 + exponentBits + fractionBits;
  return {
    name,
    carrier,
    bits,
    fractionBits,
    maxExponent,
    bias: (maxExponent - 1) / 2,
    signBit: 1n << BigInt(bits - 1),
    implicitBit,
    fractionMask: implicitBit - 1n,
    quietBit: implicitBit >> 1n,
    infinity,
    canonicalNan: infinity | (implicitBit >> 1n),
    host,
  };
}

export const F16: FloatFormat<"i32"> = format("f16", "i32", 5, 10);
export const F32: FloatFormat<"i32"> = format("f32", "i32", 8, 23, "f32");
export const F64: FloatFormat<"i64"> = format("f64", "i64", 11, 52, "f64");
