import type { Code, I64, IntegerOps, Result, Value, Var } from "@isomorph/wasm";
import type { FloatFormat } from "./format.ts";
import type { Carrier } from "./types.ts";

/** The bits of a format zero-extended to 64 bits. */
export function widen<B extends Carrier>(c: Code, format: FloatFormat<B>, bits: Var<B>): I64 {
  const value = bits.get();
  return format.carrier === "i64" ? (value as Value<"i64">) : c.i64.extendI32U(value as Value<"i32">);
}

/** The low bits of a 64-bit value as a format carries them. */
export function narrow<B extends Carrier>(c: Code, format: FloatFormat<B>, value: I64): Result<B> {
  return (format.carrier === "i64" ? value : c.i32.wrapI64(value)) as unknown as Result<B>;
}

/** The integer instructions of a format's carrier. */
export function carrierOps<B extends Carrier>(c: Code, format: FloatFormat<B>): IntegerOps<B> {
  return (format.carrier === "i64" ? c.i64 : c.i32) as unknown as IntegerOps<B>;
}
