import type { Code, FloatOps, I32, Value, Var } from "@isomorph/wasm";
import type { ExactBinary } from "./add.ts";
import { carrierOps, narrow, widen } from "./carrier.ts";
import { type FloatCore, raise } from "./core.ts";
import type { ExactUnary } from "./divide.ts";
import type { FloatFormat } from "./format.ts";
import { type BinaryFunction, type Carrier, Flag, type FormatFunctions } from "./types.ts";

// The host computes what rounds to nearest; its results are right, only the flags are missing. Where the result's
// exponent shows that no flag but NX is at stake, and NX is accrued already or follows from an exact residual, the
// host's result is taken. Everything else goes to the exact functions.

/** A WebAssembly floating-point type. */
export type Host = "f32" | "f64";

export function hostOps(c: Code, host: Host): FloatOps<Host> {
  return (host === "f64" ? c.f64 : c.f32) as unknown as FloatOps<Host>;
}

/** Bits as a number. */
export function toHost<B extends Carrier>(c: Code, host: Host, bits: Value<B>): Value<Host> {
  if (host === "f64") return c.f64.reinterpretI64(bits as Value<"i64">);
  return c.f32.reinterpretI32(bits as Value<"i32">);
}

/** A number as bits. */
export function toBits<B extends Carrier>(c: Code, host: Host, value: Value<Host>): Value<B> {
  if (host === "f64") return c.i64.reinterpretF64(value as Value<"f64">) as Value<B>;
  return c.i32.reinterpretF32(value as Value<"f32">) as Value<B>;
}

/** A number as a double. */
export function toDouble(c: Code, host: Host, value: Value<Host>): Value<"f64"> {
  return host === "f64" ? (value as Value<"f64">) : c.f64.promoteF32(value as Value<"f32">);
}

export function bind<T extends Host>(c: Code, host: T, value: Value<Host>): Var<T> {
  const variable = c.var(host);
  variable.set(value as Value<T>);
  return variable;
}

export function bindBits<B extends Carrier>(
  c: Code,
  format: FloatFormat<B>,
  host: Host,
  value: Var<Host>,
): Var<B> {
  const variable = c.var(format.carrier);
  variable.set(toBits(c, host, value.get()));
  return variable;
}

/** Whether NX is accrued. */
export function inexactAccrued(c: Code, core: FloatCore, state: Var<"i32">): I32 {
  return c.i32.and(c.i32.load(state.get(), core.fflagsOffset), Flag.NX);
}

/** Finite and far enough from underflow: a result with the smallest normal exponent may have been tiny. */
export function isOrdinary<B extends Carrier>(c: Code, format: FloatFormat<B>, bits: Var<B>): I32 {
  const ops = carrierOps(c, format);
  const lowest = 2n * format.implicitBit;
  const magnitude = ops.and(bits.get(), format.signBit - 1n);
  return ops.ltU(ops.sub(magnitude, lowest), format.infinity - lowest);
}

/** What two-sum leaves: the error of `sum`, which is the rounded a + b (Knuth, volume 2, section 4.2.2). */
export function sumError<T extends Host>(c: Code, host: T, a: Var<T>, b: Var<T>, sum: Var<T>): Var<T> {
  const ops = hostOps(c, host);
  const back = bind(c, host, ops.sub(sum.get(), a.get()));
  const aValue = a.get();
  const aError = ops.sub(aValue, ops.sub(sum.get(), back.get()));
  return bind(c, host, ops.add(aError, ops.sub(b.get(), back.get())));
}

function zero(c: Code, host: Host): Value<Host> {
  return host === "f64" ? c.f64.reinterpretI64(c.i64.const(0)) : c.f32.reinterpretI32(c.i32.const(0));
}

/** Addition or subtraction. */
export function defineHostAdd<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  exact: ExactBinary,
  name: "add" | "sub",
): BinaryFunction<B> {
  const { host } = format;
  const params = ["i32", format.carrier, format.carrier, "i32"] as const;
  return core.module.function(`${format.name}.${name}`, params, format.carrier, (c, [state, a, b, rm]) => {
    const ints = carrierOps(c, format);
    if (host !== undefined) {
      const ops = hostOps(c, host);
      c.if(c.i32.eqz(rm.get()), () => {
        const x = bind(c, host, toHost(c, host, a.get()));
        const y = bind(c, host, toHost(c, host, b.get()));
        if (name === "sub") y.set(ops.neg(y.get()));
        const sum = bind(c, host, ops.add(x.get(), y.get()));
        const bits = bindBits(c, format, host, sum);
        // Sums cannot underflow inexactly: below the smallest normal number they are exact.
        c.if(ints.ltU(ints.and(bits.get(), format.signBit - 1n), format.infinity), () => {
          c.if(inexactAccrued(c, core, state), () => c.return(bits.get()));
          const error = sumError(c, host, x, y, sum);
          // An inexact sum leaves an error that is not zero, or not finite next to the largest numbers.
          c.if(ops.ne(error.get(), zero(c, host)), () => raise(c, core, state, Flag.NX));
          c.return(bits.get());
        });
      });
    }
    if (name === "sub") b.set(ints.xor(b.get(), format.signBit));
    return narrow(c, format, c.call(exact, state.get(), widen(c, format, a), widen(c, format, b), rm.get()));
  });
}

/** Returns the host's `result` if it is ordinary and NX is accrued. For singles `isExact` may decide about NX. */
function returnIfOrdinary<B extends Carrier>(
  c: Code,
  core: FloatCore,
  format: FloatFormat<B>,
  state: Var<"i32">,
  result: Var<Host>,
  isExact: () => I32,
): void {
  const bits = bindBits(c, format, format.host ?? "f64", result);
  c.if(isOrdinary(c, format, bits), () => {
    c.if(inexactAccrued(c, core, state), () => c.return(bits.get()));
    if (format.host === "f32") {
      c.if(c.i32.eqz(isExact()), () => raise(c, core, state, Flag.NX));
      c.return(bits.get());
    }
  });
}

/** Whether `a` times `b` is `product`, for singles: their products fit doubles. */
function multipliesTo(c: Code, a: Var<Host>, b: Var<Host>, product: Var<Host>): I32 {
  const left = toDouble(c, "f32", a.get());
  const exact = c.f64.mul(left, toDouble(c, "f32", b.get()));
  return c.f64.eq(exact, toDouble(c, "f32", product.get()));
}

/** Whether to try the host: not with operands that are tiny, at which many hosts are slow and which end elsewhere. */
function mayUseHost<B extends Carrier>(
  c: Code,
  format: FloatFormat<B>,
  a: Var<B>,
  b: Var<B>,
  rm: Var<"i32">,
): I32 {
  const ops = carrierOps(c, format);
  const isNormal = (bits: Var<B>): I32 => ops.ne(ops.and(bits.get(), format.infinity), 0);
  const first = isNormal(a);
  const both = c.i32.and(first, isNormal(b));
  return c.i32.and(both, c.i32.eqz(rm.get()));
}

/** Multiplication. */
export function defineHostMultiply<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  exact: ExactBinary,
): BinaryFunction<B> {
  const { host } = format;
  const params = ["i32", format.carrier, format.carrier, "i32"] as const;
  return core.module.function(`${format.name}.mul`, params, format.carrier, (c, [state, a, b, rm]) => {
    if (host !== undefined) {
      c.if(mayUseHost(c, format, a, b, rm), () => {
        const x = bind(c, host, toHost(c, host, a.get()));
        const y = bind(c, host, toHost(c, host, b.get()));
        const product = bind(c, host, hostOps(c, host).mul(x.get(), y.get()));
        returnIfOrdinary(c, core, format, state, product, () => multipliesTo(c, x, y, product));
      });
    }
    return narrow(c, format, c.call(exact, state.get(), widen(c, format, a), widen(c, format, b), rm.get()));
  });
}

/** Division. */
export function defineHostDivide<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  exact: ExactBinary,
): BinaryFunction<B> {
  const { host } = format;
  const params = ["i32", format.carrier, format.carrier, "i32"] as const;
  return core.module.function(`${format.name}.div`, params, format.carrier, (c, [state, a, b, rm]) => {
    if (host !== undefined) {
      c.if(mayUseHost(c, format, a, b, rm), () => {
        const x = bind(c, host, toHost(c, host, a.get()));
        const y = bind(c, host, toHost(c, host, b.get()));
        const quotient = bind(c, host, hostOps(c, host).div(x.get(), y.get()));
        returnIfOrdinary(c, core, format, state, quotient, () => multipliesTo(c, quotient, y, x));
      });
    }
    return narrow(c, format, c.call(exact, state.get(), widen(c, format, a), widen(c, format, b), rm.get()));
  });
}

/** Square root. */
export function defineHostSquareRoot<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  exact: ExactUnary,
): FormatFunctions<B>["sqrt"] {
  const { host } = format;
  const params = ["i32", format.carrier, "i32"] as const;
  return core.module.function(`${format.name}.sqrt`, params, format.carrier, (c, [state, a, rm]) => {
    if (host !== undefined) {
      c.if(c.i32.eqz(rm.get()), () => {
        const x = bind(c, host, toHost(c, host, a.get()));
        const root = bind(c, host, hostOps(c, host).sqrt(x.get()));
        returnIfOrdinary(c, core, format, state, root, () => multipliesTo(c, root, root, x));
      });
    }
    return narrow(c, format, c.call(exact, state.get(), widen(c, format, a), rm.get()));
  });
}
