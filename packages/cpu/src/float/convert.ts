import type { Code, FunctionRef } from "@isomorph/wasm";
import { narrow, widen } from "./carrier.ts";
import {
  type FloatCore,
  isInfinite,
  isNan,
  isSpecial,
  isZero,
  normalize,
  raise,
  signOf,
  unpack,
  type Word,
} from "./core.ts";
import type { ExactUnary } from "./divide.ts";
import { F16, type FloatFormat } from "./format.ts";
import { type Carrier, Flag, Rounding } from "./types.ts";

/** An integer type of conversions. */
export interface IntegerType {
  readonly name: "I32" | "U32" | "I64" | "U64";
  readonly bits: 32 | 64;
  readonly signed: boolean;
}

export const INTEGER_TYPES: readonly IntegerType[] = [
  { name: "I32", bits: 32, signed: true },
  { name: "U32", bits: 32, signed: false },
  { name: "I64", bits: 64, signed: true },
  { name: "U64", bits: 64, signed: false },
];

/** The largest and the smallest value as an x register holds them. */
function integerLimits({ bits, signed }: IntegerType): { max: bigint; min: bigint } {
  const max = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  return { max: BigInt.asIntN(bits, max), min: signed ? BigInt.asIntN(64, -max - 1n) : 0n };
}

/** 1 where `integer` has to grow because of `fraction`, a fraction of 2^64. */
function roundsUp(c: Code, integer: Word, fraction: Word, negative: Word, rm: Word): Word {
  const half = 1n << 63n;
  const up = c.let64(c.i64.const(0));
  c.if(
    c.i64.eqz(c.i64.and(rm.get(), 3)),
    () => {
      const more = c.i64.gtU(fraction.get(), half);
      const tie = c.i64.eq(fraction.get(), half);
      // On a tie RNE, which is 0, goes up from odd integers; RMM, which is 4, goes up always.
      const odd = c.i64.and(integer.get(), 1);
      const goes = c.i64.ne(c.i64.or(odd, rm.get()), 0);
      up.set(c.i64.extendI32U(c.i32.or(more, c.i32.and(tie, goes))));
    },
    () => {
      const outward = c.i32.eq(c.i64.eq(rm.get(), Rounding.RDN), c.i64.ne(negative.get(), 0));
      const directed = c.i32.and(outward, c.i64.ne(rm.get(), Rounding.RTZ));
      up.set(c.i64.extendI32U(c.i32.and(directed, c.i64.ne(fraction.get(), 0))));
    },
  );
  return up;
}

/** Exact conversion to an integer; what is out of range saturates and is invalid. */
export function defineToInteger(core: FloatCore, type: IntegerType): ExactUnary {
  const { format, module } = core;
  const { max, min } = integerLimits(type);
  const name = `${format.name}.to${type.name}Exact`;
  return module.function(name, ["i32", "i64", "i32"], "i64", (c, [state, a, rm]) => {
    const negative = c.let64(signOf(c, format, a));
    const refuse = (): void => {
      raise(c, core, state, Flag.NV);
      const low = c.i64.const(min);
      c.return(c.select(low, c.i64.const(max), c.i64.ne(negative.get(), 0)));
    };
    c.if(isSpecial(c, format, a), () => {
      c.if(isNan(c, format, a), () => negative.set(c.i64.const(0)));
      refuse();
    });
    c.if(isZero(c, format, a), () => c.return(c.i64.const(0)));

    const { exponent, significand } = unpack(c, format, a);
    exponent.set(c.i64.sub(exponent.get(), format.bias));
    c.if(c.i64.gtS(exponent.get(), 63), refuse);
    const integer = c.let64(c.i64.const(0));
    // The part below the point, as a fraction of 2^64.
    const fraction = c.let64(c.i64.const(1));
    c.if(c.i64.geS(exponent.get(), -1), () => {
      fraction.set(c.i64.const(0));
      c.if(c.i64.ltS(exponent.get(), 62), () => {
        const value = significand.get();
        fraction.set(c.i64.shl(value, c.i64.add(exponent.get(), 2)));
      });
      const doubled = c.i64.shl(significand.get(), 1);
      const count = c.i64.sub(c.i64.const(63), exponent.get());
      integer.set(c.i64.shrU(doubled, count));
      c.if(c.i64.ltS(exponent.get(), 0), () => integer.set(c.i64.const(0)));
    });
    const mode = c.let64(c.i64.extendI32U(rm.get()));
    const up = roundsUp(c, integer, fraction, negative, mode);
    integer.set(c.i64.add(integer.get(), up.get()));

    c.if(
      c.i64.ne(negative.get(), 0),
      () => {
        const bound = type.signed ? 1n << BigInt(type.bits - 1) : 0n;
        c.if(c.i64.gtU(integer.get(), bound), refuse);
        const zero = c.i64.const(0);
        integer.set(c.i64.sub(zero, integer.get()));
      },
      () => {
        const bound = (1n << BigInt(type.signed ? type.bits - 1 : type.bits)) - 1n;
        c.if(c.i64.gtU(integer.get(), bound), refuse);
      },
    );
    c.if(c.i64.ne(fraction.get(), 0), () => raise(c, core, state, Flag.NX));
    return type.bits === 32 ? c.i64.extend32S(integer.get()) : integer.get();
  });
}

/** Exact conversion from an integer. */
export function defineFromInteger(core: FloatCore, type: IntegerType): ExactUnary {
  const { format, module } = core;
  const name = `${format.name}.from${type.name}Exact`;
  return module.function(name, ["i32", "i64", "i32"], "i64", (c, [state, a, rm]) => {
    if (type.bits === 32) {
      a.set(type.signed ? c.i64.extend32S(a.get()) : c.i64.and(a.get(), 0xffff_ffffn));
    }
    const sign = c.let64(c.i64.const(0));
    if (type.signed) {
      c.if(c.i64.ltS(a.get(), 0), () => {
        sign.set(c.i64.const(format.signBit));
        const zero = c.i64.const(0);
        a.set(c.i64.sub(zero, a.get()));
      });
    }
    c.if(c.i64.eqz(a.get()), () => c.return(c.i64.const(0)));
    const exponent = c.let64(c.i64.const(format.bias + 61));
    c.if(
      c.i64.ltS(a.get(), 0),
      () => {
        const bottom = c.let64(c.i64.and(a.get(), 1));
        a.set(c.i64.or(c.i64.shrU(a.get(), 1), bottom.get()));
        exponent.set(c.i64.const(format.bias + 63));
      },
      () => normalize(c, exponent, a),
    );
    return c.call(core.round, state.get(), sign.get(), exponent.get(), a.get(), rm.get());
  });
}

/** Exact conversion to a wider or narrower format. */
export function defineFormatChange(from: FloatCore, to: FloatCore): ExactUnary {
  const name = `${from.format.name}.to.${to.format.name}Exact`;
  return from.module.function(name, ["i32", "i64", "i32"], "i64", (c, [state, a, rm]) => {
    const sign = c.let64(c.i64.extendI32U(c.i64.ne(signOf(c, from.format, a), 0)));
    sign.set(c.i64.shl(sign.get(), to.format.bits - 1));
    c.if(isNan(c, from.format, a), () => {
      c.drop(c.call(from.nan, state.get(), a.get(), a.get()));
      c.return(c.i64.const(to.format.canonicalNan));
    });
    c.if(isInfinite(c, from.format, a), () => c.return(c.i64.or(sign.get(), to.format.infinity)));
    c.if(isZero(c, from.format, a), () => c.return(sign.get()));
    const { exponent, significand } = unpack(c, from.format, a);
    exponent.set(c.i64.add(exponent.get(), to.format.bias - from.format.bias));
    return c.call(to.round, state.get(), sign.get(), exponent.get(), significand.get(), rm.get());
  });
}

/** From half precision to a wider format, by the exact function. */
export function defineWidenHalf<B extends Carrier>(
  half: FloatCore,
  to: FloatFormat<B>,
  exact: ExactUnary,
): FunctionRef<readonly ["i32", "i32"], B> {
  return half.module.function(`f16.to.${to.name}`, ["i32", "i32"], to.carrier, (c, [state, a]) =>
    narrow(c, to, c.call(exact, state.get(), widen(c, F16, a), c.i32.const(0))),
  );
}

/** To half precision, by the exact function. */
export function defineNarrowToHalf<B extends Carrier>(
  from: FloatCore,
  format: FloatFormat<B>,
  exact: ExactUnary,
): FunctionRef<readonly ["i32", B, "i32"], "i32"> {
  const params = ["i32", format.carrier, "i32"] as const;
  return from.module.function(`${format.name}.to.f16`, params, "i32", (c, [state, a, rm]) =>
    narrow(c, F16, c.call(exact, state.get(), widen(c, format, a), rm.get())),
  );
}
