import type { Code, FunctionRef, ModuleBuilder } from "@isomorph/wasm";
import type { ExactBinary } from "./add.ts";
import {
  cancelled,
  type FloatCore,
  isInfinite,
  isNan,
  isSignaling,
  isSpecial,
  isZero,
  raise,
  signOf,
  unpack,
  type Word,
} from "./core.ts";
import { Flag } from "./types.ts";

/** `(a, b) → the upper 64 bits of their unsigned product` */
export type MultiplyHigh = FunctionRef<readonly ["i64", "i64"], "i64">;

/** The exact form of the fused operation: `(state, a, b, c, rm) → bits of a·b + c`. */
export type ExactFused = FunctionRef<readonly ["i32", "i64", "i64", "i64", "i32"], "i64">;

const LOW = 0xffff_ffffn;

export function defineMultiplyHigh(module: ModuleBuilder): MultiplyHigh {
  return module.function("float.multiplyHigh", ["i64", "i64"], "i64", (c, [a, b]) => {
    const aLow = c.let64(c.i64.and(a.get(), LOW));
    const aHigh = c.let64(c.i64.shrU(a.get(), 32));
    const bLow = c.let64(c.i64.and(b.get(), LOW));
    const bHigh = c.let64(c.i64.shrU(b.get(), 32));
    const carry = c.i64.shrU(c.i64.mul(aLow.get(), bLow.get()), 32);
    const middle = c.let64(c.i64.add(carry, c.i64.mul(aHigh.get(), bLow.get())));
    const product = c.i64.mul(aLow.get(), bHigh.get());
    const other = c.let64(c.i64.add(product, c.i64.and(middle.get(), LOW)));
    const high = c.i64.mul(aHigh.get(), bHigh.get());
    const upper = c.i64.add(high, c.i64.shrU(middle.get(), 32));
    return c.i64.add(upper, c.i64.shrU(other.get(), 32));
  });
}

/** The sign of a product or quotient. */
function signOfProduct(c: Code, { format }: FloatCore, a: Word, b: Word): Word {
  return c.let64(c.i64.and(c.i64.xor(a.get(), b.get()), format.signBit));
}

/** Exact multiplication. */
export function defineMultiply(core: FloatCore, multiplyHigh: MultiplyHigh): ExactBinary {
  const { format, module } = core;
  const params = ["i32", "i64", "i64", "i32"] as const;
  return module.function(`${format.name}.mulExact`, params, "i64", (c, [state, a, b, rm]) => {
    const sign = signOfProduct(c, core, a, b);
    const first = isSpecial(c, format, a);
    c.if(c.i32.or(first, isSpecial(c, format, b)), () => {
      const nan = isNan(c, format, a);
      c.if(c.i32.or(nan, isNan(c, format, b)), () =>
        c.return(c.call(core.nan, state.get(), a.get(), b.get())),
      );
      const zero = isZero(c, format, a);
      c.if(c.i32.or(zero, isZero(c, format, b)), () => c.return(c.call(core.invalid, state.get())));
      c.return(c.i64.or(sign.get(), format.infinity));
    });
    const zero = isZero(c, format, a);
    c.if(c.i32.or(zero, isZero(c, format, b)), () => c.return(sign.get()));

    const { exponent, significand: product } = unpack(c, format, a);
    const other = unpack(c, format, b);
    // With the leading ones at bits 62 and 63 the product leads at bit 126 or 125: bit 62 or 61 of its upper half.
    const factor = other.significand;
    factor.set(c.i64.shl(factor.get(), 1));
    const high = c.call(multiplyHigh, product.get(), factor.get());
    const sticky = c.i64.extendI32U(c.i64.ne(c.i64.mul(product.get(), factor.get()), 0));
    product.set(c.i64.or(high, sticky));
    exponent.set(c.i64.sub(c.i64.add(exponent.get(), other.exponent.get()), format.bias - 1));
    c.if(c.i64.eqz(c.i64.shrU(product.get(), 62)), () => {
      product.set(c.i64.shl(product.get(), 1));
      exponent.set(c.i64.sub(exponent.get(), 1));
    });
    return c.call(core.round, state.get(), sign.get(), exponent.get(), product.get(), rm.get());
  });
}

/** Shifts a double word right by any unsigned count; ones that leave stay visible in bit 0. */
function shiftPairRightJam(c: Code, core: FloatCore, high: Word, low: Word, count: Word): void {
  c.if(
    c.i64.gtU(count.get(), 63),
    () => {
      // The high half is not zero, so that it leaves a sticky bit whatever the low half holds.
      const upper = high.get();
      low.set(c.call(core.shiftRightJam, upper, c.i64.sub(count.get(), 64)));
      high.set(c.i64.const(0));
    },
    () =>
      c.if(c.i64.ne(count.get(), 0), () => {
        const left = c.let64(c.i64.and(c.i64.sub(c.i64.const(0), count.get()), 63));
        const sticky = c.let64(c.i64.extendI32U(c.i64.ne(c.i64.shl(low.get(), left.get()), 0)));
        const kept = c.i64.shrU(low.get(), count.get());
        const moved = c.i64.or(kept, c.i64.shl(high.get(), left.get()));
        low.set(c.i64.or(moved, sticky.get()));
        high.set(c.i64.shrU(high.get(), count.get()));
      }),
  );
}

/** Moves the leading one of a non-zero double word to bit 126. An exponent that fitted bit 125 is kept in step. */
function normalizePair(c: Code, exponent: Word, high: Word, low: Word): void {
  c.if(c.i64.eqz(high.get()), () => {
    high.set(low.get());
    low.set(c.i64.const(0));
    exponent.set(c.i64.sub(exponent.get(), 64));
  });
  const shift = c.let64(c.i64.sub(c.i64.clz(high.get()), 1));
  exponent.set(c.i64.add(c.i64.sub(exponent.get(), shift.get()), 1));
  c.if(
    c.i64.ltS(shift.get(), 0),
    () => {
      // Only a difference of 64 bits leads at bit 127. Nothing is below it, and its last bits are zeros as those of
      // any product of two significands are.
      high.set(c.i64.shrU(high.get(), 1));
    },
    () =>
      c.if(c.i64.ne(shift.get(), 0), () => {
        const upper = c.i64.shl(high.get(), shift.get());
        const value = low.get();
        const lower = c.i64.shrU(value, c.i64.sub(c.i64.const(64), shift.get()));
        high.set(c.i64.or(upper, lower));
        low.set(c.i64.shl(low.get(), shift.get()));
      }),
  );
}

function defineFusedSpecial(core: FloatCore): FunctionRef<readonly ["i32", "i64", "i64", "i64"], "i64"> {
  const { format, module } = core;
  const params = ["i32", "i64", "i64", "i64"] as const;
  return module.function(`${format.name}.fmaSpecial`, params, "i64", (c, [state, a, b, addend]) => {
    const sign = signOfProduct(c, core, a, b);
    const aInfinite = c.let32(isInfinite(c, format, a));
    const bInfinite = c.let32(isInfinite(c, format, b));
    // Infinity times zero is invalid even when a quiet NaN is added (RISC-V unprivileged ISA, section 20.6).
    const one = c.i32.and(aInfinite.get(), isZero(c, format, b));
    const other = c.i32.and(bInfinite.get(), isZero(c, format, a));
    c.if(c.i32.or(one, other), () => c.return(c.call(core.invalid, state.get())));
    const nanA = isNan(c, format, a);
    const nanProduct = c.i32.or(nanA, isNan(c, format, b));
    c.if(c.i32.or(nanProduct, isNan(c, format, addend)), () => {
      c.if(isSignaling(c, format, addend), () => raise(c, core, state, Flag.NV));
      c.return(c.call(core.nan, state.get(), a.get(), b.get()));
    });
    c.if(c.i32.or(aInfinite.get(), bInfinite.get()), () => {
      const infinite = isInfinite(c, format, addend);
      const opposite = c.i64.ne(sign.get(), signOf(c, format, addend));
      c.if(c.i32.and(infinite, opposite), () => c.return(c.call(core.invalid, state.get())));
      c.return(c.i64.or(sign.get(), format.infinity));
    });
    return addend.get();
  });
}

/** Exact fused multiplication and addition, in 128 bits. */
export function defineFused(core: FloatCore, multiplyHigh: MultiplyHigh): ExactFused {
  const { format, module } = core;
  const special = defineFusedSpecial(core);
  const params = ["i32", "i64", "i64", "i64", "i32"] as const;
  return module.function(`${format.name}.fmaExact`, params, "i64", (c, [state, a, b, addend, rm]) => {
    const anySpecial = isSpecial(c, format, a);
    const orB = c.i32.or(anySpecial, isSpecial(c, format, b));
    c.if(c.i32.or(orB, isSpecial(c, format, addend)), () =>
      c.return(c.call(special, state.get(), a.get(), b.get(), addend.get())),
    );
    const sign = signOfProduct(c, core, a, b);
    const zero = isZero(c, format, a);
    c.if(c.i32.or(zero, isZero(c, format, b)), () => {
      const alike = c.i64.eq(sign.get(), signOf(c, format, addend));
      const kept = c.i32.or(alike, c.i32.eqz(isZero(c, format, addend)));
      c.if(kept, () => c.return(addend.get()));
      c.return(cancelled(c, format, rm));
    });

    // The product leads at bit 125 or 124, the addend at bit 125.
    const { exponent, significand: high } = unpack(c, format, a);
    const other = unpack(c, format, b);
    exponent.set(c.i64.sub(c.i64.add(exponent.get(), other.exponent.get()), format.bias - 1));
    const low = c.let64(c.i64.mul(high.get(), other.significand.get()));
    high.set(c.call(multiplyHigh, high.get(), other.significand.get()));
    c.if(c.i32.eqz(isZero(c, format, addend)), () => {
      const third = unpack(c, format, addend);
      const addHigh = third.significand;
      addHigh.set(c.i64.shrU(addHigh.get(), 1));
      const addLow = c.let64(c.i64.const(0));
      const distance = c.let64(c.i64.sub(exponent.get(), third.exponent.get()));
      c.if(
        c.i64.geS(distance.get(), 0),
        () => shiftPairRightJam(c, core, addHigh, addLow, distance),
        () => {
          distance.set(c.i64.sub(c.i64.const(0), distance.get()));
          shiftPairRightJam(c, core, high, low, distance);
          exponent.set(third.exponent.get());
        },
      );
      c.if(
        c.i64.eq(sign.get(), signOf(c, format, addend)),
        () => {
          low.set(c.i64.add(low.get(), addLow.get()));
          const carry = c.let64(c.i64.extendI32U(c.i64.ltU(low.get(), addLow.get())));
          high.set(c.i64.add(c.i64.add(high.get(), addHigh.get()), carry.get()));
        },
        () => {
          const borrow = c.let64(c.i64.extendI32U(c.i64.ltU(low.get(), addLow.get())));
          low.set(c.i64.sub(low.get(), addLow.get()));
          high.set(c.i64.sub(c.i64.sub(high.get(), addHigh.get()), borrow.get()));
          c.if(c.i64.ltS(high.get(), 0), () => {
            sign.set(c.i64.xor(sign.get(), format.signBit));
            low.set(c.i64.sub(c.i64.const(0), low.get()));
            const flipped = c.i64.xor(high.get(), -1);
            high.set(c.i64.add(flipped, c.i64.extendI32U(c.i64.eqz(low.get()))));
          });
          c.if(c.i64.eqz(c.i64.or(high.get(), low.get())), () => c.return(cancelled(c, format, rm)));
        },
      );
    });
    normalizePair(c, exponent, high, low);
    high.set(c.i64.or(high.get(), c.i64.extendI32U(c.i64.ne(low.get(), 0))));
    return c.call(core.round, state.get(), sign.get(), exponent.get(), high.get(), rm.get());
  });
}
