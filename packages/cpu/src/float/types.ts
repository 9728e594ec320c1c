import type { FunctionRef } from "@isomorph/wasm";

/** How a format's bits travel: singles and narrower in an i32, doubles in an i64. */
export type Carrier = "i32" | "i64";

/** `(state, a, b, rm) → bits` */
export type BinaryFunction<B extends Carrier> = FunctionRef<readonly ["i32", B, B, "i32"], B>;
/** `(state, a, b) → bits` */
export type SelectFunction<B extends Carrier> = FunctionRef<readonly ["i32", B, B], B>;
/** `(state, a, b) → 0 or 1` */
export type CompareFunction<B extends Carrier> = FunctionRef<readonly ["i32", B, B], "i64">;
/** `(state, a, rm) → x register` */
export type ToIntegerFunction<B extends Carrier> = FunctionRef<readonly ["i32", B, "i32"], "i64">;
/** `(state, x register, rm) → bits` */
export type FromIntegerFunction<B extends Carrier> = FunctionRef<readonly ["i32", "i64", "i32"], B>;

/**
 * Arithmetic of one format. The first parameter of every function is the host address of the hart's block, where
 * exception flags are accrued. Floating-point operands and results are raw bits without NaN boxing; every NaN
 * result is the canonical one. `rm` is a resolved rounding mode, 0 to 4: what any other value does is unspecified
 * (but no trap). x registers are whole: 32-bit results are sign-extended, of 32-bit operands the low half counts.
 */
export interface FormatFunctions<B extends Carrier> {
  readonly add: BinaryFunction<B>;
  readonly sub: BinaryFunction<B>;
  readonly mul: BinaryFunction<B>;
  readonly div: BinaryFunction<B>;
  /** `(state, a, rm) → bits` */
  readonly sqrt: FunctionRef<readonly ["i32", B, "i32"], B>;
  /** `(state, a, b, c, rm) → bits` of a·b + c, rounded once; negate operands for the other three instructions. */
  readonly fma: FunctionRef<readonly ["i32", B, B, B, "i32"], B>;
  /** IEEE 754-2019 minimumNumber, with -0 below +0. */
  readonly min: SelectFunction<B>;
  readonly max: SelectFunction<B>;
  /** IEEE 754-2019 minimum: a NaN if there is one. */
  readonly minimum: SelectFunction<B>;
  readonly maximum: SelectFunction<B>;
  /** Quiet comparison: only a signaling NaN is invalid. */
  readonly eq: CompareFunction<B>;
  /** Signaling comparisons: any NaN is invalid. */
  readonly lt: CompareFunction<B>;
  readonly le: CompareFunction<B>;
  /** The same comparisons, quiet. */
  readonly ltQuiet: CompareFunction<B>;
  readonly leQuiet: CompareFunction<B>;
  /** `(state, a) → 10-bit mask` as FCLASS gives it. */
  readonly classify: FunctionRef<readonly ["i32", B], "i64">;
  readonly toI32: ToIntegerFunction<B>;
  readonly toU32: ToIntegerFunction<B>;
  readonly toI64: ToIntegerFunction<B>;
  readonly toU64: ToIntegerFunction<B>;
  readonly fromI32: FromIntegerFunction<B>;
  readonly fromU32: FromIntegerFunction<B>;
  readonly fromI64: FromIntegerFunction<B>;
  readonly fromU64: FromIntegerFunction<B>;
  /** `(state, a, rm) → bits` of an integral value; never inexact. */
  readonly roundToIntegral: FunctionRef<readonly ["i32", B, "i32"], B>;
  /** The same, inexact where the value changes. */
  readonly roundToIntegralExact: FunctionRef<readonly ["i32", B, "i32"], B>;
}

/** Everything that F, D, Zfh and Zfa need (RISC-V unprivileged ISA, chapters 20, 21, 24 and 25). */
export interface FloatFunctions {
  /** Operands have zeros above their sixteen bits, and so do results. */
  readonly f16: FormatFunctions<"i32">;
  readonly f32: FormatFunctions<"i32">;
  readonly f64: FormatFunctions<"i64">;
  /** `(state, single) → double`; always exact. */
  readonly f32ToF64: FunctionRef<readonly ["i32", "i32"], "i64">;
  /** `(state, double, rm) → single` */
  readonly f64ToF32: FunctionRef<readonly ["i32", "i64", "i32"], "i32">;
  /** `(state, half) → single or double`; always exact. */
  readonly f16ToF32: FunctionRef<readonly ["i32", "i32"], "i32">;
  readonly f16ToF64: FunctionRef<readonly ["i32", "i32"], "i64">;
  /** `(state, single or double, rm) → half` */
  readonly f32ToF16: FunctionRef<readonly ["i32", "i32", "i32"], "i32">;
  readonly f64ToF16: FunctionRef<readonly ["i32", "i64", "i32"], "i32">;
  /** `(state, double) → x register`: FCVTMOD.W.D, which wraps around where others saturate. */
  readonly f64ToI32Modular: FunctionRef<readonly ["i32", "i64"], "i64">;
}

export interface FloatOptions {
  /** Where in a hart's block the accrued exceptions are (4 bytes). */
  readonly fflagsOffset: number;
}

/** Rounding modes (RISC-V unprivileged ISA, table 26). */
export const Rounding = { RNE: 0, RTZ: 1, RDN: 2, RUP: 3, RMM: 4 } as const;

/** Accrued exception bits (RISC-V unprivileged ISA, table 27). */
export const Flag = { NX: 1, UF: 2, OF: 4, DZ: 8, NV: 16 } as const;
