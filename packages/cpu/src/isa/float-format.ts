import type { I32, I64 } from "@isomorph/wasm";
import type { FormatFunctions } from "../float/index.ts";
import type { Addition, Extension } from "./instruction.ts";
import type { FloatFormatName, FloatName, Semantics } from "./semantics.ts";

/** The value of a register in one of the formats; tokens of raw bits. */
export type Bits = I32 | I64;

/** A floating-point format as instructions have it. */
export interface Format {
  readonly extension: Extension;
  readonly addition: Addition | undefined;
  readonly suffix: "h" | "s" | "d";
  /** The fmt field. */
  readonly code: 0 | 1 | 2;
  /** Prefix of the arithmetic functions. */
  readonly prefix: FloatFormatName;
  readonly size: 2 | 4 | 8;
  /** The width field of loads and stores. */
  readonly width: 1 | 2 | 3;
  /** What fmv calls it. */
  readonly unit: "h" | "w" | "d";
  /** The bits above the format in a NaN-boxed register. */
  readonly box: number;
}

export const HALF: Format = {
  extension: "f",
  addition: "zfh",
  suffix: "h",
  code: 2,
  prefix: "f16",
  size: 2,
  width: 1,
  unit: "h",
  box: -0x1_0000,
};
export const SINGLE: Format = {
  extension: "f",
  addition: undefined,
  suffix: "s",
  code: 0,
  prefix: "f32",
  size: 4,
  width: 2,
  unit: "w",
  box: -0x1_0000_0000,
};
export const DOUBLE: Format = {
  extension: "d",
  addition: undefined,
  suffix: "d",
  code: 1,
  prefix: "f64",
  size: 8,
  width: 3,
  unit: "d",
  box: 0,
};

/** An operation of a format. */
export type Operation = keyof FormatFunctions<"i32">;

/** Pushes a register's value in the format. */
export function operand(s: Semantics, { suffix }: Format, n: 1 | 2 | 3): Bits {
  return suffix === "h" ? s.half(n) : suffix === "s" ? s.single(n) : s.f(n);
}

/** Writes fd in the format. */
export function setBits(s: Semantics, { suffix }: Format, value: Bits): void {
  if (suffix === "h") s.setHalf(value as I32);
  else if (suffix === "s") s.setSingle(value as I32);
  else s.setF(value as I64);
}

/** Writes fd with the result of a function whose arguments `push` pushes. */
export function setResult(s: Semantics, format: Format, name: FloatName, push: () => void): void {
  setBits(s, format, format.suffix === "d" ? s.float64(name, push) : s.float32(name, push));
}
