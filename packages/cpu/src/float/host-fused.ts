import type { Code, FunctionRef, I32, Value, Var } from "@isomorph/wasm";
import { narrow, widen } from "./carrier.ts";
import { type FloatCore, raise, type Word } from "./core.ts";
import type { FloatFormat } from "./format.ts";
import { bind, bindBits, inexactAccrued, isOrdinary, sumError, toDouble, toHost } from "./host.ts";
import type { ExactFused } from "./multiply.ts";
import { type Carrier, Flag } from "./types.ts";

// The host has no fused operation. Rounding to odd keeps what a second rounding has to know: if the exact sum does not
// fit, the neighbour with an odd significand is taken (Boldo and Melquiond, "Emulation of FMA and correctly rounded
// sums: proved algorithms using rounding to odd", IEEE Transactions on Computers 57, 2008).

type Double = Var<"f64">;

/** The bits of a + b rounded to odd. */
function sumToOdd(c: Code, a: Double, b: Double): Word {
  const sum = bind(c, "f64", c.f64.add(a.get(), b.get()));
  const error = sumError(c, "f64", a, b, sum);
  const rounded = c.let64(c.i64.reinterpretF64(sum.get()));
  const even = c.i64.eqz(c.i64.and(rounded.get(), 1));
  c.if(c.i32.and(even, c.f64.ne(error.get(), c.f64.const(0))), () => {
    // Away from zero if the error has the sign of the sum, else toward it.
    const unlike = c.i64.xor(rounded.get(), c.i64.reinterpretF64(error.get()));
    const step = c.i64.or(c.i64.shrS(unlike, 63), 1);
    rounded.set(c.i64.add(step, rounded.get()));
  });
  return rounded;
}

/** Returns the fused result of singles if it is ordinary: their product is exact as a double. */
function fuseSingles<B extends Carrier>(
  c: Code,
  core: FloatCore,
  format: FloatFormat<B>,
  state: Var<"i32">,
  a: Var<B>,
  b: Var<B>,
  addend: Var<B>,
): void {
  const double = (bits: Var<B>): Value<"f64"> => toDouble(c, "f32", toHost(c, "f32", bits.get()));
  const left = double(a);
  const product = bind(c, "f64", c.f64.mul(left, double(b)));
  const third = bind(c, "f64", double(addend));
  const rounded = sumToOdd(c, product, third);
  const result = bind(c, "f32", c.f32.demoteF64(c.f64.reinterpretI64(rounded.get())));
  const bits = bindBits(c, format, "f32", result);
  c.if(isOrdinary(c, format, bits), () => {
    // What was rounded to odd does not fit a single: this sees both roundings.
    const inexact = c.f64.ne(c.f64.promoteF32(result.get()), c.f64.reinterpretI64(rounded.get()));
    c.if(inexact, () => raise(c, core, state, Flag.NX));
    c.return(bits.get());
  });
}

/** Factors within 2^-480 and 2^480: their product and its error are far from overflow and underflow. */
function isModerate(c: Code, bits: Word): I32 {
  const exponent = c.i64.and(c.i64.shrU(bits.get(), 52), 0x7ff);
  return c.i64.leU(c.i64.sub(exponent, 1023 - 480), 960);
}

/** The upper half of a double's significand (Veltkamp), so that products of halves are exact. */
function upperHalf(c: Code, value: Double): Double {
  const scaled = bind(c, "f64", c.f64.mul(value.get(), c.f64.const(2 ** 27 + 1)));
  const whole = scaled.get();
  return bind(c, "f64", c.f64.sub(whole, c.f64.sub(scaled.get(), value.get())));
}

/** The error of `product`, which is the rounded a * b (Dekker, Numerische Mathematik 18, 1971). */
function productError(c: Code, a: Double, b: Double, product: Double): Double {
  const aHigh = upperHalf(c, a);
  const aLow = bind(c, "f64", c.f64.sub(a.get(), aHigh.get()));
  const bHigh = upperHalf(c, b);
  const bLow = bind(c, "f64", c.f64.sub(b.get(), bHigh.get()));
  const high = c.f64.sub(c.f64.mul(aHigh.get(), bHigh.get()), product.get());
  const first = c.f64.add(high, c.f64.mul(aHigh.get(), bLow.get()));
  const second = c.f64.add(first, c.f64.mul(aLow.get(), bHigh.get()));
  return bind(c, "f64", c.f64.add(second, c.f64.mul(aLow.get(), bLow.get())));
}

/** Returns the fused result of doubles if NX is accrued, the factors are moderate and the result is ordinary. */
function fuseDoubles(
  c: Code,
  core: FloatCore,
  format: FloatFormat,
  state: Var<"i32">,
  a: Word,
  b: Word,
  addend: Word,
): void {
  const moderate = isModerate(c, a);
  const factors = c.i32.and(moderate, isModerate(c, b));
  c.if(c.i32.and(factors, inexactAccrued(c, core, state)), () => {
    const double = (bits: Word): Double => bind(c, "f64", c.f64.reinterpretI64(bits.get()));
    const x = double(a);
    const y = double(b);
    const z = double(addend);
    const product = bind(c, "f64", c.f64.mul(x.get(), y.get()));
    const low = productError(c, x, y, product);
    const inner = bind(c, "f64", c.f64.add(z.get(), low.get()));
    const innerError = sumError(c, "f64", z, low, inner);
    const outer = bind(c, "f64", c.f64.add(product.get(), inner.get()));
    const outerError = sumError(c, "f64", product, inner, outer);
    const rounded = sumToOdd(c, outerError, innerError);
    const sum = c.f64.add(outer.get(), c.f64.reinterpretI64(rounded.get()));
    const bits = c.let64(c.i64.reinterpretF64(sum));
    // An addend that makes some step overflow makes all that follow infinite or NaN.
    c.if(isOrdinary(c, format as FloatFormat<"i64">, bits), () => c.return(bits.get()));
  });
}

/** Fused multiplication and addition. */
export function defineHostFused<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  exact: ExactFused,
): FunctionRef<readonly ["i32", B, B, B, "i32"], B> {
  const { carrier, host } = format;
  const params = ["i32", carrier, carrier, carrier, "i32"] as const;
  return core.module.function(`${format.name}.fma`, params, carrier, (c, [state, a, b, addend, rm]) => {
    if (host !== undefined) {
      c.if(c.i32.eqz(rm.get()), () => {
        if (host === "f32") fuseSingles(c, core, format, state, a, b, addend);
        else fuseDoubles(c, core, format, state, a as Word, b as Word, addend as Word);
      });
    }
    const first = state.get();
    const value = c.call(
      exact,
      first,
      widen(c, format, a),
      widen(c, format, b),
      widen(c, format, addend),
      rm.get(),
    );
    return narrow(c, format, value);
  });
}
