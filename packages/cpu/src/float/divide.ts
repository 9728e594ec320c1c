import type { Code, FunctionRef, I64 } from "@isomorph/wasm";
import type { ExactBinary } from "./add.ts";
import { type FloatCore, isInfinite, isNan, isSpecial, isZero, raise, unpack, type Word } from "./core.ts";
import { Flag } from "./types.ts";

/** The exact form of the square root: `(state, a, rm) → bits`. */
export type ExactUnary = FunctionRef<readonly ["i32", "i64", "i32"], "i64">;

/**
 * Quotients and roots of 53-bit integers come from the host, whose division and square root of doubles are rounded
 * to nearest. The exact remainder, small enough for arithmetic modulo 2^64, then says on which side of the true
 * value the host's result is: that gives one more bit and a sticky one. Neither operation can be exactly half-way
 * between two 53-bit numbers.
 */
function significandOf(c: Code, rounded: Word, remainder: Word): I64 {
  const doubled = c.i64.shl(rounded.get(), 1);
  const floor = c.i64.sub(doubled, c.i64.shrU(remainder.get(), 63));
  const placed = c.i64.shl(floor, 9);
  return c.i64.or(placed, c.i64.extendI32U(c.i64.ne(remainder.get(), 0)));
}

/** The significand of a double in [1, 2) as a 53-bit integer. */
function integerSignificand(c: Code, bits: I64): Word {
  return c.let64(c.i64.or(c.i64.and(bits, (1n << 52n) - 1n), 1n << 52n));
}

/** Exact division. */
export function defineDivide(core: FloatCore): ExactBinary {
  const { format, module } = core;
  const params = ["i32", "i64", "i64", "i32"] as const;
  return module.function(`${format.name}.divExact`, params, "i64", (c, [state, a, b, rm]) => {
    const sign = c.let64(c.i64.and(c.i64.xor(a.get(), b.get()), format.signBit));
    const first = isSpecial(c, format, a);
    c.if(c.i32.or(first, isSpecial(c, format, b)), () => {
      const nan = isNan(c, format, a);
      c.if(c.i32.or(nan, isNan(c, format, b)), () =>
        c.return(c.call(core.nan, state.get(), a.get(), b.get())),
      );
      c.if(isInfinite(c, format, a), () => {
        c.if(isInfinite(c, format, b), () => c.return(c.call(core.invalid, state.get())));
        c.return(c.i64.or(sign.get(), format.infinity));
      });
      c.return(sign.get());
    });
    c.if(isZero(c, format, b), () => {
      c.if(isZero(c, format, a), () => c.return(c.call(core.invalid, state.get())));
      raise(c, core, state, Flag.DZ);
      c.return(c.i64.or(sign.get(), format.infinity));
    });
    c.if(isZero(c, format, a), () => c.return(sign.get()));

    const { exponent, significand: dividend } = unpack(c, format, a);
    const other = unpack(c, format, b);
    const divisor = other.significand;
    exponent.set(c.i64.add(c.i64.sub(exponent.get(), other.exponent.get()), format.bias));
    c.if(
      c.i64.ltU(dividend.get(), divisor.get()),
      () => {
        dividend.set(c.i64.shrU(dividend.get(), 9));
        exponent.set(c.i64.sub(exponent.get(), 1));
      },
      () => dividend.set(c.i64.shrU(dividend.get(), 10)),
    );
    divisor.set(c.i64.shrU(divisor.get(), 10));
    const numerator = c.f64.convertI64U(dividend.get());
    const quotient = c.f64.div(numerator, c.f64.convertI64U(divisor.get()));
    const rounded = integerSignificand(c, c.i64.reinterpretF64(quotient));
    const scaled = c.i64.shl(dividend.get(), 52);
    const remainder = c.let64(c.i64.sub(scaled, c.i64.mul(rounded.get(), divisor.get())));
    const significand = c.let64(significandOf(c, rounded, remainder));
    return c.call(core.round, state.get(), sign.get(), exponent.get(), significand.get(), rm.get());
  });
}

/** Exact square root. */
export function defineSquareRoot(core: FloatCore): ExactUnary {
  const { format, module } = core;
  return module.function(`${format.name}.sqrtExact`, ["i32", "i64", "i32"], "i64", (c, [state, a, rm]) => {
    c.if(isNan(c, format, a), () => c.return(c.call(core.nan, state.get(), a.get(), a.get())));
    c.if(isZero(c, format, a), () => c.return(a.get()));
    c.if(c.i64.ne(c.i64.and(a.get(), format.signBit), 0), () => c.return(c.call(core.invalid, state.get())));
    c.if(isInfinite(c, format, a), () => c.return(a.get()));

    const { exponent, significand: radicand } = unpack(c, format, a);
    exponent.set(c.i64.sub(exponent.get(), format.bias));
    const odd = c.let64(c.i64.and(exponent.get(), 1));
    const count = c.i64.const(10);
    const shift = c.let64(c.i64.sub(count, odd.get()));
    radicand.set(c.i64.shrU(radicand.get(), shift.get()));
    exponent.set(c.i64.add(c.i64.shrS(exponent.get(), 1), format.bias));
    const root = c.f64.sqrt(c.f64.convertI64U(radicand.get()));
    const rounded = integerSignificand(c, c.i64.reinterpretF64(root));
    const scaled = c.i64.shl(radicand.get(), 52);
    const remainder = c.let64(c.i64.sub(scaled, c.i64.mul(rounded.get(), rounded.get())));
    const significand = c.let64(significandOf(c, rounded, remainder));
    return c.call(core.round, state.get(), c.i64.const(0), exponent.get(), significand.get(), rm.get());
  });
}
