import type { ModuleBuilder } from "@isomorph/wasm";
import { defineAdd } from "./add.ts";
import { narrow, widen } from "./carrier.ts";
import { defineClassify, defineCompare, defineSelect, type ExactPair } from "./compare.ts";
import {
  defineFormatChange,
  defineFromInteger,
  defineToInteger,
  INTEGER_TYPES,
  type IntegerType,
} from "./convert.ts";
import { defineCore, defineShared, type FloatCore } from "./core.ts";
import { defineDivide, defineSquareRoot } from "./divide.ts";
import { F32, F64, type FloatFormat } from "./format.ts";
import {
  defineHostAdd,
  defineHostDivide,
  defineHostFused,
  defineHostMultiply,
  defineHostSquareRoot,
} from "./host.ts";
import {
  defineHostFromInteger,
  defineHostNarrow,
  defineHostToInteger,
  defineHostWiden,
} from "./host-convert.ts";
import { defineFused, defineMultiply, defineMultiplyHigh, type MultiplyHigh } from "./multiply.ts";
import type {
  Carrier,
  CompareFunction,
  FloatFunctions,
  FloatOptions,
  FormatFunctions,
  SelectFunction,
} from "./types.ts";

/** An exact function of two operands with the carrier of its format, for operands and result. */
function carriedSelect<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  name: string,
  exact: ExactPair,
): SelectFunction<B> {
  if (format.carrier === "i64") return exact as unknown as SelectFunction<B>;
  const params = ["i32", format.carrier, format.carrier] as const;
  return core.module.function(`${format.name}.${name}Carried`, params, format.carrier, (c, [state, a, b]) =>
    narrow(c, format, c.call(exact, state.get(), widen(c, format, a), widen(c, format, b))),
  );
}

/** The same for operands only. */
function carriedCompare<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  name: string,
  exact: ExactPair,
): CompareFunction<B> {
  if (format.carrier === "i64") return exact as unknown as CompareFunction<B>;
  const params = ["i32", format.carrier, format.carrier] as const;
  return core.module.function(`${format.name}.${name}Carried`, params, "i64", (c, [state, a, b]) =>
    c.call(exact, state.get(), widen(c, format, a), widen(c, format, b)),
  );
}

function defineFormat<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  multiplyHigh: MultiplyHigh,
): FormatFunctions<B> {
  const add = defineAdd(core);
  const select = (name: "min" | "max") => carriedSelect(core, format, name, defineSelect(core, name));
  const compare = (name: "eq" | "lt" | "le") => carriedCompare(core, format, name, defineCompare(core, name));
  const integer = (name: IntegerType["name"]): IntegerType =>
    INTEGER_TYPES.find((type) => type.name === name)!;
  const to = (name: IntegerType["name"]) =>
    defineHostToInteger(core, format, integer(name), defineToInteger(core, integer(name)));
  const from = (name: IntegerType["name"]) =>
    defineHostFromInteger(core, format, integer(name), defineFromInteger(core, integer(name)));
  const classify = defineClassify(core);
  return {
    add: defineHostAdd(core, format, add, "add"),
    sub: defineHostAdd(core, format, add, "sub"),
    mul: defineHostMultiply(core, format, defineMultiply(core, multiplyHigh)),
    div: defineHostDivide(core, format, defineDivide(core)),
    sqrt: defineHostSquareRoot(core, format, defineSquareRoot(core)),
    fma: defineHostFused(core, format, defineFused(core, multiplyHigh)),
    min: select("min"),
    max: select("max"),
    eq: compare("eq"),
    lt: compare("lt"),
    le: compare("le"),
    classify: core.module.function(
      `${format.name}.classifyCarried`,
      ["i32", format.carrier],
      "i64",
      (c, [state, a]) => c.call(classify, state.get(), widen(c, format, a)),
    ),
    toI32: to("I32"),
    toU32: to("U32"),
    toI64: to("I64"),
    toU64: to("U64"),
    fromI32: from("I32"),
    fromU32: from("U32"),
    fromI64: from("I64"),
    fromU64: from("U64"),
  };
}

/** Adds all floating-point functions to a module that has the harts' memory as memory 0. */
export function defineFloat(module: ModuleBuilder, { fflagsOffset }: FloatOptions): FloatFunctions {
  const shared = defineShared(module);
  const multiplyHigh = defineMultiplyHigh(module);
  const single = defineCore(module, F32, fflagsOffset, shared);
  const double = defineCore(module, F64, fflagsOffset, shared);
  return {
    f32: defineFormat(single, F32, multiplyHigh),
    f64: defineFormat(double, F64, multiplyHigh),
    f32ToF64: defineHostWiden(single, defineFormatChange(single, double)),
    f64ToF32: defineHostNarrow(double, defineFormatChange(double, single)),
  };
}
