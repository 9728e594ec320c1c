/** Exact IEEE 754-2019 arithmetic by the RISC-V rules, generated as WebAssembly functions. */
export { defineFloat } from "./define.ts";
export type { FloatFunctions, FormatFunctions } from "./types.ts";
