import type { FunctionRef } from "@isomorph/wasm";
import {
  cancelled,
  type FloatCore,
  isInfinite,
  isNan,
  isSpecial,
  magnitudeOf,
  normalize,
  signOf,
  unpack,
} from "./core.ts";

/** The exact form of a binary operation: `(state, a, b, rm) → bits`, all of them zero-extended. */
export type ExactBinary = FunctionRef<readonly ["i32", "i64", "i64", "i32"], "i64">;

/** Exact addition. */
export function defineAdd(core: FloatCore): ExactBinary {
  const { format, module } = core;
  const special = module.function(
    `${format.name}.addSpecial`,
    ["i32", "i64", "i64"],
    "i64",
    (c, [state, a, b]) => {
      const first = isNan(c, format, a);
      c.if(c.i32.or(first, isNan(c, format, b)), () =>
        c.return(c.call(core.nan, state.get(), a.get(), b.get())),
      );
      // Of two infinities with unlike signs there is no sum.
      const infinite = isInfinite(c, format, a);
      const opposite = c.i64.eq(c.i64.xor(a.get(), b.get()), format.signBit);
      c.if(c.i32.and(infinite, opposite), () => c.return(c.call(core.invalid, state.get())));
      const whenA = a.get();
      return c.select(whenA, b.get(), isInfinite(c, format, a));
    },
  );

  const params = ["i32", "i64", "i64", "i32"] as const;
  return module.function(`${format.name}.addExact`, params, "i64", (c, [state, a, b, rm]) => {
    const first = isSpecial(c, format, a);
    c.if(c.i32.or(first, isSpecial(c, format, b)), () =>
      c.return(c.call(special, state.get(), a.get(), b.get())),
    );
    const smaller = c.i64.ltU(magnitudeOf(c, format, a), magnitudeOf(c, format, b));
    c.if(smaller, () => {
      const swap = c.let64(a.get());
      a.set(b.get());
      b.set(swap.get());
    });
    const sign = c.let64(signOf(c, format, a));
    const { exponent, significand: sum } = unpack(c, format, a);
    const other = unpack(c, format, b);
    // One bit of room for the carry.
    sum.set(c.i64.shrU(sum.get(), 1));
    const addend = other.significand;
    const halved = c.i64.shrU(addend.get(), 1);
    addend.set(c.call(core.shiftRightJam, halved, c.i64.sub(exponent.get(), other.exponent.get())));
    c.if(
      c.i64.eq(sign.get(), signOf(c, format, b)),
      () => sum.set(c.i64.add(sum.get(), addend.get())),
      () => {
        sum.set(c.i64.sub(sum.get(), addend.get()));
        c.if(c.i64.eqz(sum.get()), () => c.return(cancelled(c, format, rm)));
      },
    );
    c.if(c.i64.eqz(sum.get()), () => c.return(sign.get()));
    normalize(c, exponent, sum);
    return c.call(core.round, state.get(), sign.get(), exponent.get(), sum.get(), rm.get());
  });
}
