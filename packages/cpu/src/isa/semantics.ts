import type { Code, I32, I64, Integer32Ops, Integer64Ops } from "@isomorph/wasm";
import type { FloatFunctions, FormatFunctions } from "../float/index.ts";
import type { PureFunction } from "./pure-function.ts";

/** Floating-point formats. */
export type FloatFormatName = "f16" | "f32" | "f64";

/** An arithmetic function: of one format, or a conversion between two. */
export type FloatName =
  | `${FloatFormatName}.${keyof FormatFunctions<"i32">}`
  | Exclude<keyof FloatFunctions, FloatFormatName>;

/** Bytes of a memory access. */
export type AccessSize = 1 | 2 | 4 | 8;

/** The read-modify-write operations of the A extension. */
export type AmoOperation = "swap" | "add" | "xor" | "and" | "or" | "min" | "max" | "minu" | "maxu";

/**
 * The algebra in which instructions are described. A description calls these methods once; each emits WebAssembly.
 * In the interpreter operands are decoded from the instruction word at run time; in the translator they are
 * constants and cached registers. Values are stack tokens: used once, in the order in which they were made.
 */
export abstract class Semantics {
  readonly code: Code;
  readonly i32: Integer32Ops;
  readonly i64: Integer64Ops;

  constructor(code: Code) {
    this.code = code;
    this.i32 = code.i32;
    this.i64 = code.i64;
  }

  // Integer operands.

  /** rs1. */
  abstract x1(): I64;
  /** rs2. */
  abstract x2(): I64;
  /** The low half of rs1. */
  w1(): I32 {
    return this.i32.wrapI64(this.x1());
  }
  w2(): I32 {
    return this.i32.wrapI64(this.x2());
  }
  /** The immediate of the instruction's format, sign-extended. */
  abstract immediate(): I64;
  abstract immediate32(): I32;
  /** Writes rd. */
  abstract setX(value: I64): void;
  /** Writes rd with a sign-extended word. */
  setW(value: I32): void {
    this.setX(this.i64.extendI32S(value));
  }
  /** Writes rd with a condition, 0 or 1. */
  setFlag(value: I32): void {
    this.setX(this.i64.extendI32U(value));
  }

  /** The value of a function of one or two operands. */
  abstract apply(target: PureFunction, ...operands: I64[]): I64;

  // Floating-point operands.

  /** fs1 to fs3 as raw bits. */
  abstract f(operand: 1 | 2 | 3): I64;
  /** The same as single precision: the canonical NaN where the register is not NaN-boxed (section 20.2). */
  single(operand: 1 | 2 | 3): I32 {
    const bits = this.code.let64(this.f(operand));
    return this.code.select(
      this.i32.wrapI64(bits.get()),
      this.i32.const(0x7fc00000),
      this.i64.eq(this.i64.shrU(bits.get(), 32), 0xffffffff),
    );
  }
  /** The same as half precision, zero-extended: the canonical NaN where the register is not NaN-boxed. */
  half(operand: 1 | 2 | 3): I32 {
    const bits = this.code.let64(this.f(operand));
    return this.code.select(
      this.i32.and(this.i32.wrapI64(bits.get()), 0xffff),
      this.i32.const(0x7e00),
      this.i64.eq(this.i64.shrS(bits.get(), 16), -1),
    );
  }
  /** Writes fd. */
  abstract setF(value: I64): void;
  /** Writes fd with a NaN-boxed half. */
  setHalf(value: I32): void {
    this.setF(this.i64.or(this.i64.extendI32U(value), -0x1_0000));
  }
  /** Writes fd with a NaN-boxed single. */
  setSingle(value: I32): void {
    this.setF(this.i64.or(this.i64.extendI32U(value), -0x1_0000_0000));
  }
  /** Ends the instruction with an illegal-instruction exception unless the FPU is on; marks it dirty. Comes first. */
  abstract useFloat(): void;
  /** The rounding mode, dynamic resolved; illegal-instruction exception for a reserved one. */
  abstract roundingMode(): I32;
  /** Calls an arithmetic function after `push` has pushed its operands and rounding mode in order. */
  protected abstract callFloat(name: FloatName, push: () => void): unknown;
  /** The result of an arithmetic function as half- or single-precision bits. */
  float32(name: FloatName, push: () => void): I32 {
    return this.callFloat(name, push) as I32;
  }
  /** The result of an arithmetic function as double-precision bits, or as an integer for rd. */
  float64(name: FloatName, push: () => void): I64 {
    return this.callFloat(name, push) as I64;
  }

  // Memory. Addresses are virtual; a fault ends the instruction with nothing changed.

  /** The address of a load or store: rs1 plus the immediate. Comes right before the value and the access. */
  address(): I64 {
    return this.i64.add(this.x1(), this.immediate());
  }

  /** Loads and extends to 64 bits. */
  abstract load(address: I64, size: AccessSize, signed: boolean): I64;
  /** Stores the low bytes of a value. */
  abstract store(address: I64, value: I64, size: AccessSize): void;
  /** LR: loads sign-extended and takes the reservation. */
  abstract loadReserved(address: I64, size: 4 | 8): I64;
  /** SC: 0 when it stored, else 1. */
  abstract storeConditional(address: I64, value: I64, size: 4 | 8): I64;
  /** An atomic read-modify-write; the old value, sign-extended. */
  abstract amo(address: I64, value: I64, size: 4 | 8, operation: AmoOperation): I64;
  /** Zeroes the cache block that holds the address. */
  abstract zeroBlock(address: I64): void;
  /** Checks that the address may be read or written, as cache management does; changes nothing. */
  abstract probeBlock(address: I64): void;

  // Control.

  /** Address of the instruction. */
  abstract pc(): I64;
  /** Address of the instruction after it. */
  abstract nextPc(): I64;
  /** Continues at `pc + immediate` if the condition holds. */
  abstract branch(condition: I32): void;
  /** Continues at `pc + immediate`. */
  abstract jump(): void;
  /** Continues at a computed address. */
  abstract jumpTo(target: I64): void;

  // The privileged side; instructions that use these have the flow `system`.

  /** The instruction word's CSR instructions: `operation` on the CSR with a source operand. */
  abstract csr(operation: "write" | "set" | "clear", source: "register" | "immediate"): void;
  /** Ends the instruction with an exception; `tval` is a value or the pc. */
  abstract trap(cause: number): void;
  /** ECALL from whatever mode. */
  abstract environmentCall(): void;
  /** Raises illegal instruction if the condition holds. */
  abstract illegalIf(condition: I32): void;
  /** Reads a field of the hart's block. */
  abstract state32(offset: number): I32;
  abstract state64(offset: number): I64;
  /** Returns from a trap handler. */
  abstract trapReturn(from: "machine" | "supervisor"): void;
  abstract waitForInterrupt(): void;
  /** SFENCE.VMA with its operands. */
  abstract fenceAddressTranslation(): void;
  /** FENCE.I. */
  abstract fenceInstruction(): void;
  /** FENCE: orders memory accesses. */
  abstract fence(): void;
}
