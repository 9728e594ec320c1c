import type { Code, FunctionRef, I32, I64, ModuleBuilder, Var } from "@isomorph/wasm";
import type { FloatFormat } from "./format.ts";
import { Flag, Rounding } from "./types.ts";

/** A 64-bit variable. */
export type Word = Var<"i64">;

/**
 * What the exact operations of a format are made from. Inside, bits of every format are zero-extended to 64 bits,
 * and finite values are taken apart into a sign (the format's sign bit or zero), a biased exponent without bounds
 * and a significand whose leading one is bit 62: ten more bits than a double has, so that a sticky bit at the
 * bottom is always out of the way of rounding.
 */
export interface FloatCore {
  readonly module: ModuleBuilder;
  readonly format: FloatFormat;
  readonly fflagsOffset: number;
  /** `(state, sign, exponent, significand, rm) → bits`: rounds, packs and accrues NX, UF and OF. */
  readonly round: FunctionRef<readonly ["i32", "i64", "i64", "i64", "i32"], "i64">;
  /** `(state, a, b) → canonical NaN`: NV if one of them is a signaling NaN. */
  readonly nan: FunctionRef<readonly ["i32", "i64", "i64"], "i64">;
  /** `(state) → canonical NaN`: always NV. */
  readonly invalid: FunctionRef<readonly ["i32"], "i64">;
  /** `(word, count) → word`: shifts right by any unsigned count; ones that leave stay visible in bit 0. */
  readonly shiftRightJam: FunctionRef<readonly ["i64", "i64"], "i64">;
}

/** Accrues a constant set of flags. */
export function raise(
  c: Code,
  core: { readonly fflagsOffset: number },
  state: Var<"i32">,
  flags: number,
): void {
  const address = state.get();
  c.i32.store(address, c.i32.or(c.i32.load(state.get(), core.fflagsOffset), flags), core.fflagsOffset);
}

function exponentOf(c: Code, format: FloatFormat, bits: Word): I64 {
  return c.i64.and(c.i64.shrU(bits.get(), format.fractionBits), format.maxExponent);
}

/** The bits without the sign: ordered as the absolute values are. */
export function magnitudeOf(c: Code, format: FloatFormat, bits: Word): I64 {
  return c.i64.and(bits.get(), format.signBit - 1n);
}

export function signOf(c: Code, format: FloatFormat, bits: Word): I64 {
  return c.i64.and(bits.get(), format.signBit);
}

export function isNan(c: Code, format: FloatFormat, bits: Word): I32 {
  return c.i64.gtU(magnitudeOf(c, format, bits), format.infinity);
}

export function isZero(c: Code, format: FloatFormat, bits: Word): I32 {
  return c.i64.eqz(magnitudeOf(c, format, bits));
}

export function isInfinite(c: Code, format: FloatFormat, bits: Word): I32 {
  return c.i64.eq(magnitudeOf(c, format, bits), format.infinity);
}

/** Infinite or NaN. */
export function isSpecial(c: Code, format: FloatFormat, bits: Word): I32 {
  return c.i64.geU(magnitudeOf(c, format, bits), format.infinity);
}

/** A NaN whose quiet bit is clear: setting that bit has to change the encoding, and give a NaN. */
export function isSignaling(c: Code, format: FloatFormat, bits: Word): I32 {
  const nan = isNan(c, format, bits);
  return c.i32.and(nan, c.i64.eqz(c.i64.and(bits.get(), format.quietBit)));
}

/** Exponent and significand of a finite value; zero becomes 0 with an exponent below that of any subnormal. */
export function unpack(c: Code, format: FloatFormat, bits: Word): { exponent: Word; significand: Word } {
  const exponent = c.let64(exponentOf(c, format, bits));
  const significand = c.let64(
    c.i64.shl(c.i64.and(bits.get(), format.fractionMask), 62 - format.fractionBits),
  );
  c.if(
    c.i64.eqz(exponent.get()),
    () => {
      const shift = exponent;
      shift.set(c.i64.sub(c.i64.clz(significand.get()), 1));
      significand.set(c.i64.shl(significand.get(), shift.get()));
      const one = c.i64.const(1);
      exponent.set(c.i64.sub(one, shift.get()));
    },
    () => significand.set(c.i64.or(significand.get(), 1n << 62n)),
  );
  return { exponent, significand };
}

/** Moves the leading one of a non-zero word to bit 62. An exponent that fitted bit 61 is kept in step. */
export function normalize(c: Code, exponent: Word, word: Word): void {
  c.scope(() => {
    const shift = c.let64(c.i64.sub(c.i64.clz(word.get()), 1));
    word.set(c.i64.shl(word.get(), shift.get()));
    exponent.set(c.i64.add(c.i64.sub(exponent.get(), shift.get()), 1));
  });
}

/** The sign of an exact zero sum of values with unlike signs: minus only when rounding down. */
export function cancelled(c: Code, format: FloatFormat, rm: Var<"i32">): I64 {
  const minus = c.i64.const(format.signBit);
  return c.select(minus, c.i64.const(0), c.i32.eq(rm.get(), Rounding.RDN));
}

function defineShiftRightJam(module: ModuleBuilder): FloatCore["shiftRightJam"] {
  return module.function("float.shiftRightJam", ["i64", "i64"], "i64", (c, [word, count]) =>
    c.choose(
      "i64",
      c.i64.gtU(count.get(), 63),
      () => c.i64.extendI32U(c.i64.ne(word.get(), 0)),
      () => {
        const kept = c.i64.shrU(word.get(), count.get());
        const lost = c.i64.xor(c.i64.shl(c.i64.const(-1), count.get()), -1);
        return c.i64.or(kept, c.i64.extendI32U(c.i64.ne(c.i64.and(lost, word.get()), 0)));
      },
    ),
  );
}

function defineNan(module: ModuleBuilder, format: FloatFormat, fflagsOffset: number): FloatCore["nan"] {
  return module.function(`${format.name}.nan`, ["i32", "i64", "i64"], "i64", (c, [state, a, b]) => {
    const first = isSignaling(c, format, a);
    c.if(c.i32.or(first, isSignaling(c, format, b)), () => raise(c, { fflagsOffset }, state, Flag.NV));
    return c.i64.const(format.canonicalNan);
  });
}

function defineInvalid(
  module: ModuleBuilder,
  format: FloatFormat,
  fflagsOffset: number,
): FloatCore["invalid"] {
  return module.function(`${format.name}.invalid`, ["i32"], "i64", (c, [state]) => {
    raise(c, { fflagsOffset }, state, Flag.NV);
    return c.i64.const(format.canonicalNan);
  });
}

/** What is added below the last place before truncating, by rounding mode and sign. */
function roundingIncrement(c: Code, rest: bigint, half: bigint, sign: Word, rm: Var<"i32">): Word {
  const increment = c.let64(c.i64.const(half));
  c.if(c.i32.and(rm.get(), 3), () => {
    const away = c.i64.const(rest);
    const toward = c.i64.const(0);
    const outward = c.i32.eq(c.i32.eq(rm.get(), Rounding.RDN), c.i64.ne(sign.get(), 0));
    increment.set(c.select(away, toward, c.i32.and(outward, c.i32.ne(rm.get(), Rounding.RTZ))));
  });
  return increment;
}

function defineRound(
  module: ModuleBuilder,
  format: FloatFormat,
  fflagsOffset: number,
  shiftRightJam: FloatCore["shiftRightJam"],
): FloatCore["round"] {
  const dropped = 62 - format.fractionBits;
  const rest = (1n << BigInt(dropped)) - 1n;
  const half = 1n << BigInt(dropped - 1);
  const params = ["i32", "i64", "i64", "i64", "i32"] as const;
  return module.function(
    `${format.name}.round`,
    params,
    "i64",
    (c, [state, sign, exponent, significand, rm]) => {
      const increment = roundingIncrement(c, rest, half, sign, rm);
      const flags = c.let32(c.i32.const(Flag.NX));
      c.if(c.i64.leS(exponent.get(), 0), () => {
        // Tininess is detected after rounding: only what would round up to the smallest normal number with an
        // exponent range without bounds is not tiny (IEEE 754-2019, section 7.5).
        const far = c.i64.ltS(exponent.get(), 0);
        const stays = c.i64.geS(c.i64.add(significand.get(), increment.get()), 0);
        c.if(c.i32.or(far, stays), () => flags.set(c.i32.const(Flag.NX | Flag.UF)));
        const value = significand.get();
        const one = c.i64.const(1);
        significand.set(c.call(shiftRightJam, value, c.i64.sub(one, exponent.get())));
        exponent.set(c.i64.const(1));
      });
      const below = c.let64(c.i64.and(significand.get(), rest));
      const packed = c.let64(c.i64.shrU(c.i64.add(significand.get(), increment.get()), dropped));
      c.if(c.i64.eq(below.get(), half), () => {
        // A tie has just gone up; to even it may have to go down again.
        const even = c.i64.extendI32U(c.i32.eqz(rm.get()));
        const mask = c.let64(c.i64.xor(even, -1));
        packed.set(c.i64.and(packed.get(), mask.get()));
      });
      // The leading one of a normal significand carries into the exponent field.
      const field = c.i64.shl(c.i64.sub(exponent.get(), 1), format.fractionBits);
      packed.set(c.i64.add(field, packed.get()));
      c.if(
        c.i64.geU(packed.get(), format.infinity),
        () => {
          raise(c, { fflagsOffset }, state, Flag.OF | Flag.NX);
          const infinity = c.i64.const(format.infinity);
          packed.set(c.i64.sub(infinity, c.i64.extendI32U(c.i64.eqz(increment.get()))));
        },
        () => {
          c.if(c.i64.ne(below.get(), 0), () => {
            const address = state.get();
            const old = c.i32.load(state.get(), fflagsOffset);
            c.i32.store(address, c.i32.or(old, flags.get()), fflagsOffset);
          });
        },
      );
      return c.i64.or(packed.get(), sign.get());
    },
  );
}

/** The word-size helper that all formats share. */
export function defineShared(module: ModuleBuilder): Pick<FloatCore, "shiftRightJam"> {
  return { shiftRightJam: defineShiftRightJam(module) };
}

export function defineCore(
  module: ModuleBuilder,
  format: FloatFormat,
  fflagsOffset: number,
  shared: Pick<FloatCore, "shiftRightJam">,
): FloatCore {
  return {
    module,
    format,
    fflagsOffset,
    ...shared,
    round: defineRound(module, format, fflagsOffset, shared.shiftRightJam),
    nan: defineNan(module, format, fflagsOffset),
    invalid: defineInvalid(module, format, fflagsOffset),
  };
}
