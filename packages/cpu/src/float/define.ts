import type { ModuleBuilder } from "@isomorph/wasm";
import { defineAdd } from "./add.ts";
import { widen } from "./carrier.ts";
import { type CompareName, defineClassify, defineCompare, defineSelect, type SelectName } from "./compare.ts";
import {
  defineFormatChange,
  defineFromInteger,
  defineNarrowToHalf,
  defineToInteger,
  defineWidenHalf,
  INTEGER_TYPES,
  type IntegerType,
} from "./convert.ts";
import { defineCore, defineShared, type FloatCore } from "./core.ts";
import { defineDivide, defineSquareRoot } from "./divide.ts";
import { F16, F32, F64, type FloatFormat } from "./format.ts";
import { defineHostAdd, defineHostDivide, defineHostMultiply, defineHostSquareRoot } from "./host.ts";
import { defineHostCompare, defineHostSelect } from "./host-compare.ts";
import {
  defineHostFromInteger,
  defineHostNarrow,
  defineHostToInteger,
  defineHostWiden,
} from "./host-convert.ts";
import { defineHostFused } from "./host-fused.ts";
import { defineModular, defineRoundToIntegral, type ThroughDouble } from "./integral.ts";
import { defineFused, defineMultiply, defineMultiplyHigh, type MultiplyHigh } from "./multiply.ts";
import type { Carrier, FloatFunctions, FloatOptions, FormatFunctions } from "./types.ts";

function defineFormat<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  multiplyHigh: MultiplyHigh,
  through?: ThroughDouble,
): FormatFunctions<B> {
  const add = defineAdd(core);
  const select = (name: SelectName) => defineHostSelect(core, format, name, defineSelect(core, name));
  const compare = (name: CompareName) => defineHostCompare(core, format, name, defineCompare(core, name));
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
    minimum: select("minimum"),
    maximum: select("maximum"),
    eq: compare("eq"),
    lt: compare("lt"),
    le: compare("le"),
    ltQuiet: compare("ltQuiet"),
    leQuiet: compare("leQuiet"),
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
    roundToIntegral: defineRoundToIntegral(core, format, false, through),
    roundToIntegralExact: defineRoundToIntegral(core, format, true, through),
  };
}

/** Adds all floating-point functions to a module that has the harts' memory as memory 0. */
export function defineFloat(module: ModuleBuilder, { fflagsOffset }: FloatOptions): FloatFunctions {
  const shared = defineShared(module);
  const multiplyHigh = defineMultiplyHigh(module);
  const half = defineCore(module, F16, fflagsOffset, shared);
  const single = defineCore(module, F32, fflagsOffset, shared);
  const double = defineCore(module, F64, fflagsOffset, shared);
  const halfToDouble = defineFormatChange(half, double);
  const doubleToHalf = defineFormatChange(double, half);
  return {
    f16: defineFormat(half, F16, multiplyHigh, { widen: halfToDouble, narrow: doubleToHalf }),
    f32: defineFormat(single, F32, multiplyHigh),
    f64: defineFormat(double, F64, multiplyHigh),
    f32ToF64: defineHostWiden(single, defineFormatChange(single, double)),
    f64ToF32: defineHostNarrow(double, defineFormatChange(double, single)),
    f16ToF32: defineWidenHalf(half, F32, defineFormatChange(half, single)),
    f16ToF64: defineWidenHalf(half, F64, halfToDouble),
    f32ToF16: defineNarrowToHalf(single, F32, defineFormatChange(single, half)),
    f64ToF16: defineNarrowToHalf(double, F64, doubleToHalf),
    f64ToI32Modular: defineModular(double),
  };
}
