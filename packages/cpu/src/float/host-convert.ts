import type { FunctionRef } from "@isomorph/wasm";
import { narrow, widen } from "./carrier.ts";
import type { IntegerType } from "./convert.ts";
import { type FloatCore, raise } from "./core.ts";
import type { ExactUnary } from "./divide.ts";
import { F32, F64, type FloatFormat } from "./format.ts";
import { bind, inexactAccrued, isOrdinary, toBits, toDouble, toHost } from "./host.ts";
import { roundDouble } from "./integral.ts";
import { type Carrier, Flag, type FromIntegerFunction, type ToIntegerFunction } from "./types.ts";

/** Conversion to an integer, by the host where the value is below 2^63. */
export function defineHostToInteger<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  type: IntegerType,
  exact: ExactUnary,
): ToIntegerFunction<B> {
  const { carrier, host } = format;
  const name = `${format.name}.to${type.name}`;
  return core.module.function(name, ["i32", carrier, "i32"] as const, "i64", (c, [state, a, rm]) => {
    if (host !== undefined) {
      const value = bind(c, "f64", toDouble(c, host, toHost(c, host, a.get())));
      const below = c.f64.lt(c.f64.abs(value.get()), c.f64.const(2 ** 63));
      c.if(below, () => {
        const whole = roundDouble(c, value, rm);
        const integer = c.let64(c.i64.truncSatF64S(whole.get()));
        c.block((outside) => {
          const { bits, signed } = type;
          if (bits === 32 && signed) {
            const kept = c.i64.extend32S(integer.get());
            c.brIf(outside, c.i64.ne(kept, integer.get()));
          } else if (bits === 32) {
            c.brIf(outside, c.i64.gtU(integer.get(), 0xffff_ffff));
          } else if (!signed) {
            c.brIf(outside, c.i64.ltS(integer.get(), 0));
          }
          c.if(c.f64.ne(whole.get(), value.get()), () => raise(c, core, state, Flag.NX));
          c.return(bits === 32 && !signed ? c.i64.extend32S(integer.get()) : integer.get());
        });
      });
    }
    return c.call(exact, state.get(), widen(c, format, a), rm.get());
  });
}

/** Conversion from an integer, by the host where the integer is exact as a double. */
export function defineHostFromInteger<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  type: IntegerType,
  exact: ExactUnary,
): FromIntegerFunction<B> {
  const { carrier, host } = format;
  const name = `${format.name}.from${type.name}`;
  return core.module.function(name, ["i32", "i64", "i32"] as const, carrier, (c, [state, a, rm]) => {
    if (type.bits === 32) a.set(type.signed ? c.i64.extend32S(a.get()) : c.i64.and(a.get(), 0xffff_ffff));
    if (host === "f64" && type.bits === 32) {
      return narrow(c, format, c.i64.reinterpretF64(c.f64.convertI64S(a.get())));
    }
    if (host !== undefined) {
      const limit = 2n ** 53n;
      const offset = type.signed ? limit : 0n;
      const inside = c.i64.leU(c.i64.add(a.get(), offset), limit + offset);
      c.if(inside, () => {
        if (host === "f64") return c.return(toBits(c, host, c.f64.convertI64S(a.get())));
        const value = bind(c, "f64", c.f64.convertI64S(a.get()));
        const rounded = bind(c, "f32", c.f32.demoteF64(value.get()));
        const same = c.f64.eq(c.f64.promoteF32(rounded.get()), value.get());
        c.if(same, () => c.return(toBits(c, host, rounded.get())));
        c.if(c.i32.eqz(rm.get()), () => {
          raise(c, core, state, Flag.NX);
          c.return(toBits(c, host, rounded.get()));
        });
      });
      if (host === "f64") {
        const ready = inexactAccrued(c, core, state);
        c.if(c.i32.and(ready, c.i32.eqz(rm.get())), () => {
          const value = type.signed ? c.f64.convertI64S(a.get()) : c.f64.convertI64U(a.get());
          c.return(toBits(c, host, value));
        });
      }
    }
    return narrow(c, format, c.call(exact, state.get(), a.get(), rm.get()));
  });
}

/** Single to double: exact but for NaNs. */
export function defineHostWiden(
  core: FloatCore,
  exact: ExactUnary,
): FunctionRef<readonly ["i32", "i32"], "i64"> {
  return core.module.function("f32.to.f64", ["i32", "i32"], "i64", (c, [state, a]) => {
    const value = bind(c, "f64", c.f64.promoteF32(c.f32.reinterpretI32(a.get())));
    const same = c.f64.eq(value.get(), value.get());
    c.if(same, () => c.return(c.i64.reinterpretF64(value.get())));
    return c.call(exact, state.get(), widen(c, F32, a), c.i32.const(0));
  });
}

/** Double to single. */
export function defineHostNarrow(
  core: FloatCore,
  exact: ExactUnary,
): FunctionRef<readonly ["i32", "i64", "i32"], "i32"> {
  return core.module.function("f64.to.f32", ["i32", "i64", "i32"], "i32", (c, [state, a, rm]) => {
    const value = bind(c, "f64", c.f64.reinterpretI64(a.get()));
    const single = bind(c, "f32", c.f32.demoteF64(value.get()));
    const bits = c.let32(c.i32.reinterpretF32(single.get()));
    const same = c.f64.eq(c.f64.promoteF32(single.get()), value.get());
    c.if(same, () => c.return(bits.get()));
    const ordinary = isOrdinary(c, F32, bits);
    c.if(c.i32.and(ordinary, c.i32.eqz(rm.get())), () => {
      raise(c, core, state, Flag.NX);
      c.return(bits.get());
    });
    return narrow(c, F32, c.call(exact, state.get(), widen(c, F64, a), rm.get()));
  });
}
