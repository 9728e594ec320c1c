import type { Code, FunctionRef, Result, Var } from "@isomorph/wasm";
import { narrow, widen } from "./carrier.ts";
import { type FloatCore, isNan, raise } from "./core.ts";
import type { ExactUnary } from "./divide.ts";
import type { FloatFormat } from "./format.ts";
import { bind, toBits, toDouble, toHost } from "./host.ts";
import { type Carrier, Flag } from "./types.ts";

/** A double rounded to an integral one by a rounding mode; infinities and NaNs stay what they are. */
export function roundDouble(c: Code, value: Var<"f64">, rm: Var<"i32">): Var<"f64"> {
  const whole = bind(c, "f64", value.get());
  c.block((done) => {
    c.block((away) => {
      c.block((up) => {
        c.block((down) => {
          c.block((zero) => {
            c.block((nearest) => {
              c.brTable(rm.get(), [nearest, zero, down, up], away);
            });
            whole.set(c.f64.nearest(value.get()));
            c.br(done);
          });
          whole.set(c.f64.trunc(value.get()));
          c.br(done);
        });
        whole.set(c.f64.floor(value.get()));
        c.br(done);
      });
      whole.set(c.f64.ceil(value.get()));
      c.br(done);
    });
    whole.set(c.f64.trunc(value.get()));
    // What was cut off is exact, and so is one more: there is a fraction below 2^52 only.
    const rest = c.f64.abs(c.f64.sub(value.get(), whole.get()));
    c.if(c.f64.ge(rest, c.f64.const(0.5)), () => {
      const integer = whole.get();
      const minus = c.f64.const(-1);
      const one = c.select(minus, c.f64.const(1), c.f64.lt(value.get(), c.f64.const(0)));
      whole.set(c.f64.add(integer, one));
    });
  });
  return whole;
}

/** How the numbers of a format that the host lacks become doubles, and integral ones come back. */
export interface ThroughDouble {
  readonly widen: ExactUnary;
  readonly narrow: ExactUnary;
}

/** FROUND, and as `exact` FROUNDNX, which says where the value has changed. */
export function defineRoundToIntegral<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  exact: boolean,
  through: ThroughDouble | undefined,
): FunctionRef<readonly ["i32", B, "i32"], B> {
  const { carrier, host = "f64" } = format;
  const name = `${format.name}.roundToIntegral${exact ? "Exact" : ""}`;
  return core.module.function(name, ["i32", carrier, "i32"] as const, carrier, (c, [state, a, rm]) => {
    const bits = c.let64(widen(c, format, a));
    c.if(isNan(c, format, bits), () =>
      c.return(narrow(c, format, c.call(core.nan, state.get(), bits.get(), bits.get()))),
    );
    const value =
      through === undefined
        ? bind(c, "f64", toDouble(c, host, toHost(c, host, a.get())))
        : bind(
            c,
            "f64",
            c.f64.reinterpretI64(c.call(through.widen, state.get(), bits.get(), c.i32.const(0))),
          );
    const whole = roundDouble(c, value, rm);
    if (exact) c.if(c.f64.ne(whole.get(), value.get()), () => raise(c, core, state, Flag.NX));
    if (through === undefined) {
      const result = host === "f32" ? c.f32.demoteF64(whole.get()) : whole.get();
      return toBits<B>(c, host, result) as Result<B>;
    }
    const first = state.get();
    const wide = c.i64.reinterpretF64(whole.get());
    return narrow(c, format, c.call(through.narrow, first, wide, c.i32.const(0)));
  });
}

/** FCVTMOD.W.D: towards zero and modulo 2^32; the exceptions are those of FCVT.W.D. */
export function defineModular(core: FloatCore): FunctionRef<readonly ["i32", "i64"], "i64"> {
  const { module, format } = core;
  return module.function("f64.toI32Modular", ["i32", "i64"], "i64", (c, [state, a]) => {
    const value = bind(c, "f64", c.f64.reinterpretI64(a.get()));
    c.if(c.f64.lt(c.f64.abs(value.get()), c.f64.const(2 ** 63)), () => {
      const integer = c.let64(c.i64.truncSatF64S(value.get()));
      const word = c.let64(c.i64.extend32S(integer.get()));
      c.if(
        c.i64.ne(word.get(), integer.get()),
        () => raise(c, core, state, Flag.NV),
        () => c.if(c.f64.ne(c.f64.trunc(value.get()), value.get()), () => raise(c, core, state, Flag.NX)),
      );
      c.return(word.get());
    });
    raise(c, core, state, Flag.NV);
    // An integer times a power of two, of which nothing is left from 2^32 on: so it is for infinities and NaNs.
    const exponent = c.i64.and(c.i64.shrU(a.get(), format.fractionBits), format.maxExponent);
    const shift = c.let64(c.i64.sub(exponent, format.bias + format.fractionBits));
    c.if(c.i64.gtU(shift.get(), 31), () => c.return(c.i64.const(0)));
    const fraction = c.i64.and(a.get(), format.fractionMask);
    const significand = c.let64(c.i64.shl(c.i64.or(fraction, format.implicitBit), shift.get()));
    c.if(c.i64.ltS(a.get(), 0), () => {
      const zero = c.i64.const(0);
      significand.set(c.i64.sub(zero, significand.get()));
    });
    return c.i64.extend32S(significand.get());
  });
}
