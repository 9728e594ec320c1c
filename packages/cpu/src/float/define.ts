import type { ModuleBuilder } from "@isomorph/wasm";
import { defineAdd } from "./add.ts";
import { widen } from "./carrier.ts";
import { defineClassify, defineCompare, defineSelect } from "./compare.ts";
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
import { defineHostAdd, defineHostDivide, defineHostMultiply, defineHostSquareRoot } from "./host.ts";
import { defineHostCompare, defineHostSelect } from "./host-compare.ts";
import {
  defineHostFromInteger,
  defineHostNarrow,
  defineHostToInteger,
  defineHostWiden,
} from "./host-convert.ts";
import { defineHostFused } from "./host-fused.ts";
import { defineFused, defineMultiply, defineMultiplyHigh, type MultiplyHigh } from "./multiply.ts";
import type { Carrier, FloatFunctions, FloatOptions, FormatFunctions } from "./types.ts";

function defineFormat<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  multiplyHigh: MultiplyHigh,
): FormatFunctions<B> {
  const add = defineAdd(core);
  const select = (name: "min" | "max") => defineHostSelect(core, format, name, defineSelect(core, name));
  const compare = (name: "eq" | "lt" | "le") =>
    defineHostCompare(core, format, name, defineCompare(core, name));
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
