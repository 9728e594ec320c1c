/**
 * A WebAssembly encoder that emits while it is called: function bodies with typed operands, and modules.
 *
 * @packageDocumentation
 */
export { type AtomicOperation, AtomicOps } from "./atomic.ts";
export { ByteSink } from "./bytes.ts";
export { Code, type Hint, Var } from "./code.ts";
export { fusesMultiplyAdd, supportsTailCalls, supportsWideMemories } from "./features.ts";
export { type Float, Float32Ops, Float64Ops, FloatOps } from "./float.ts";
export { Integer32Ops, Integer64Ops, IntegerOps, type Operand } from "./integer.ts";
export { MemoryOps } from "./memory.ts";
export { type Body, type Limits, ModuleBuilder, type Signature } from "./module.ts";
export type {
  F32,
  F64,
  FunctionRef,
  I32,
  I64,
  Int,
  Label,
  MemoryRef,
  Result,
  Value,
  Values,
  ValueType,
  Vector,
} from "./types.ts";
