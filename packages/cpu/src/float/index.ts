/** Exact IEEE 754-2019 arithmetic by the RISC-V rules, generated as WebAssembly functions. */
export { defineFloat } from "./define.ts";
export {
  type BinaryFunction,
  type Carrier,
  type CompareFunction,
  Flag,
  type FloatFunctions,
  type FloatOptions,
  type FormatFunctions,
  type FromIntegerFunction,
  Rounding,
  type SelectFunction,
  type ToIntegerFunction,
} from "./types.ts";
