import { type Code, type F64, fusesMultiplyAdd, type I32, type Value, type Var } from "@isomorph/wasm";
import { type Host, hostOps, sumError, toDouble } from "../float/host.ts";

// Whether the host's result is the exact one, so that no flag is due: pushes a condition that is false where that is not
// certain, and where the result is infinite or a NaN by the operation and not by its operands.

/** Whether a + b is `result`. */
export function isExactSum(code: Code, host: Host, a: Var<Host>, b: Var<Host>, result: Var<Host>): I32 {
  const error = sumError(code, host, a, b, result);
  const ops = hostOps(code, host);
  return ops.eq(error.get(), zero(code, host));
}

function zero(code: Code, host: Host): Value<Host> {
  const { i32, f32, f64 } = code;
  return host === "f64" ? f64.const(0) : f32.reinterpretI32(i32.const(0));
}

/** Products of doubles from this magnitude on have errors that are doubles too. */
const SAFE_PRODUCT = 2 ** -895;

/** Whether a * b is `product`. */
export function isExactProduct(code: Code, host: Host, a: Var<Host>, b: Var<Host>, product: Var<Host>): I32 {
  const { f64, i32 } = code;
  const double = (value: Var<Host>): F64 => toDouble(code, host, value.get());
  if (host === "f32") {
    const left = double(a);
    const exact = f64.mul(left, double(b));
    return f64.eq(exact, double(product));
  }
  const isZero = (value: Var<Host>): I32 => f64.eq(double(value), f64.const(0));
  const first = isZero(a);
  const someZero = i32.or(first, isZero(b));
  if (!fusesMultiplyAdd()) return i32.and(someZero, isZero(product));
  const safe = i32.or(someZero, f64.ge(f64.abs(double(product)), f64.const(SAFE_PRODUCT)));
  const factor = f64.splat(double(a));
  const residue = f64.relaxedMadd(factor, f64.splat(double(b)), f64.splat(f64.neg(double(product))));
  return i32.and(safe, f64.eq(f64.lane0(residue), f64.const(0)));
}

/** Whether a * b + addend is `result`, where the product itself is exact too. */
export function isExactFused(
  code: Code,
  host: Host,
  a: Var<Host>,
  b: Var<Host>,
  addend: Var<Host>,
  result: Var<Host>,
): I32 {
  const { f64, i32 } = code;
  const bind = (value: F64): Var<"f64"> => {
    const variable = code.var("f64");
    variable.set(value);
    return variable;
  };
  const left = toDouble(code, host, a.get());
  const product = bind(f64.mul(left, toDouble(code, host, b.get())));
  const third = bind(toDouble(code, host, addend.get()));
  const first = product.get();
  const whole = bind(f64.add(first, third.get()));
  const isExact = isExactSum(code, "f64", product, third, whole);
  if (host === "f64") return i32.and(isExact, isExactProduct(code, host, a, b, product));
  // The product of singles is a double.
  return i32.and(isExact, f64.eq(toDouble(code, host, result.get()), whole.get()));
}

/** Whether a value is not a zero, by its bits: comparing what is tiny is slow on many hosts. */
export function isNotZero(code: Code, host: Host, value: Var<Host>): I32 {
  const { i32, i64 } = code;
  if (host === "f64") {
    const bits = i64.reinterpretF64(value.get() as Value<"f64">);
    return i64.ne(i64.shl(bits, 1), 0);
  }
  return i32.ne(i32.shl(i32.reinterpretF32(value.get() as Value<"f32">), 1), 0);
}
