import type { Code, FunctionRef, I32, Var } from "@isomorph/wasm";
import { type FloatCore, isNan, isSignaling, isZero, magnitudeOf, raise, type Word } from "./core.ts";
import { Flag } from "./types.ts";

/** The exact form of a function of two operands without rounding: `(state, a, b) → bits or truth`. */
export type ExactPair = FunctionRef<readonly ["i32", "i64", "i64"], "i64">;

/** Names of minima and maxima; the last two give a NaN where an operand is one. */
export type SelectName = "min" | "max" | "minimum" | "maximum";

/** What of the two they are where no operand is a NaN. */
export const SELECTIONS: Readonly<Record<SelectName, "min" | "max">> = {
  min: "min",
  max: "max",
  minimum: "min",
  maximum: "max",
};

export type CompareName = "eq" | "lt" | "le" | "ltQuiet" | "leQuiet";

/** What comparisons ask, and whether it is invalid to ask it of a quiet NaN. */
export const COMPARISONS: Readonly<
  Record<CompareName, { readonly relation: "eq" | "lt" | "le"; readonly quiet: boolean }>
> = {
  eq: { relation: "eq", quiet: true },
  lt: { relation: "lt", quiet: false },
  le: { relation: "le", quiet: false },
  ltQuiet: { relation: "lt", quiet: true },
  leQuiet: { relation: "le", quiet: true },
};

function eitherNan(c: Code, { format }: FloatCore, a: Word, b: Word): I32 {
  const first = isNan(c, format, a);
  return c.i32.or(first, isNan(c, format, b));
}

/** Whether a is below b, both ordered and with -0 below +0. */
function below(c: Code, { format }: FloatCore, a: Word, b: Word): I32 {
  // Both are brought to 64 bits with the sign on top. Of two negative values the one with more bits is lower.
  const width = 64 - format.bits;
  const left = c.let64(c.i64.shl(a.get(), width));
  const right = c.let64(c.i64.shl(b.get(), width));
  const less = c.i64.ltS(left.get(), right.get());
  const different = c.i64.ne(left.get(), right.get());
  const negative = c.i64.ltS(c.i64.and(left.get(), right.get()), 0);
  return c.i32.xor(less, c.i32.and(different, negative));
}

/** Zeros of either sign are equal. */
function equal(c: Code, { format }: FloatCore, a: Word, b: Word): I32 {
  const same = c.i64.eq(a.get(), b.get());
  const both = c.let64(c.i64.or(a.get(), b.get()));
  return c.i32.or(same, isZero(c, format, both));
}

/** minimumNumber and maximumNumber, minimum and maximum (IEEE 754-2019, section 9.6). */
export function defineSelect(core: FloatCore, name: SelectName): ExactPair {
  const { format, module } = core;
  return module.function(`${format.name}.${name}Exact`, ["i32", "i64", "i64"], "i64", (c, [state, a, b]) => {
    c.if(eitherNan(c, core, a, b), () => {
      const nan = c.call(core.nan, state.get(), a.get(), b.get());
      if (name === "minimum" || name === "maximum") return c.return(nan);
      c.drop(nan);
      c.if(c.i32.eqz(isNan(c, format, a)), () => c.return(a.get()));
      c.if(c.i32.eqz(isNan(c, format, b)), () => c.return(b.get()));
      c.return(c.i64.const(format.canonicalNan));
    });
    const least = SELECTIONS[name] === "min";
    const first = (least ? a : b).get();
    const second = (least ? b : a).get();
    return c.select(first, second, below(c, core, a, b));
  });
}

/** Comparisons (IEEE 754-2019, section 5.11). */
export function defineCompare(core: FloatCore, name: CompareName): ExactPair {
  const { format, module } = core;
  const { relation, quiet } = COMPARISONS[name];
  const refuse = (c: Code, state: Var<"i32">, a: Word, b: Word): void => {
    if (quiet) c.drop(c.call(core.nan, state.get(), a.get(), b.get()));
    else raise(c, core, state, Flag.NV);
  };
  return module.function(`${format.name}.${name}Exact`, ["i32", "i64", "i64"], "i64", (c, [state, a, b]) => {
    c.if(eitherNan(c, core, a, b), () => {
      refuse(c, state, a, b);
      c.return(c.i64.const(0));
    });
    if (relation === "eq") return c.i64.extendI32U(equal(c, core, a, b));
    const less = below(c, core, a, b);
    const same = equal(c, core, a, b);
    if (relation === "le") return c.i64.extendI32U(c.i32.or(less, same));
    return c.i64.extendI32U(c.i32.and(less, c.i32.eqz(same)));
  });
}

/** FCLASS: one bit of ten (RISC-V unprivileged ISA, table 30). */
export function defineClassify(core: FloatCore): FunctionRef<readonly ["i32", "i64"], "i64"> {
  const { format, module } = core;
  return module.function(`${format.name}.classify`, ["i32", "i64"], "i64", (c, [, a]) => {
    const magnitude = c.let64(magnitudeOf(c, format, a));
    c.if(c.i64.gtU(magnitude.get(), format.infinity), () => {
      const signaling = c.i64.const(1 << 8);
      c.return(c.select(signaling, c.i64.const(1 << 9), isSignaling(c, format, a)));
    });
    // From -infinity up: negative normal, subnormal, zero; positive zero, subnormal, normal, +infinity.
    const subnormal = c.i64.ne(magnitude.get(), 0);
    const normal = c.i32.add(subnormal, c.i64.geU(magnitude.get(), format.implicitBit));
    const size = c.let64(c.i64.extendI32U(c.i32.add(normal, c.i64.eq(magnitude.get(), format.infinity))));
    const negative = c.i64.sub(c.i64.const(3), size.get());
    const positive = c.i64.add(size.get(), 4);
    const index = c.let64(c.select(negative, positive, c.i64.ne(c.i64.and(a.get(), format.signBit), 0)));
    const one = c.i64.const(1);
    return c.i64.shl(one, index.get());
  });
}
