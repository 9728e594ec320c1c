import type { ByteSink } from "./bytes.ts";
import {
  type F32,
  type F64,
  type I32,
  type I64,
  type Int,
  MEMORY_0,
  type MemoryRef,
  TOKEN,
  type Value,
  type Vector,
} from "./types.ts";

/** The floating-point types. */
export type Float = "f32" | "f64";

/** The floating-point instructions of one width (core specification 2.0, section 5.4.7). Loads and stores are of one memory. */
export class FloatOps<T extends Float, A extends Int = "i32"> {
  readonly #sink: ByteSink;
  readonly #memoryIndex: number;
  readonly #compare: number;
  readonly #arithmetic: number;
  readonly #wide: boolean;

  constructor(sink: ByteSink, type: T, memory: MemoryRef = MEMORY_0) {
    this.#sink = sink;
    this.#memoryIndex = memory.index;
    this.#wide = type === "f64";
    this.#compare = type === "f64" ? 0x61 : 0x5b;
    this.#arithmetic = type === "f64" ? 0x99 : 0x8b;
  }

  #compared(offset: number): I32 {
    this.#sink.u8(this.#compare + offset);
    return TOKEN;
  }
  #computed(offset: number): Value<T> {
    this.#sink.u8(this.#arithmetic + offset);
    return TOKEN;
  }

  eq(_a: Value<T>, _b: Value<T>): I32 {
    return this.#compared(0);
  }
  ne(_a: Value<T>, _b: Value<T>): I32 {
    return this.#compared(1);
  }
  lt(_a: Value<T>, _b: Value<T>): I32 {
    return this.#compared(2);
  }
  gt(_a: Value<T>, _b: Value<T>): I32 {
    return this.#compared(3);
  }
  le(_a: Value<T>, _b: Value<T>): I32 {
    return this.#compared(4);
  }
  ge(_a: Value<T>, _b: Value<T>): I32 {
    return this.#compared(5);
  }
  abs(_a: Value<T>): Value<T> {
    return this.#computed(0);
  }
  neg(_a: Value<T>): Value<T> {
    return this.#computed(1);
  }
  ceil(_a: Value<T>): Value<T> {
    return this.#computed(2);
  }
  floor(_a: Value<T>): Value<T> {
    return this.#computed(3);
  }
  trunc(_a: Value<T>): Value<T> {
    return this.#computed(4);
  }
  nearest(_a: Value<T>): Value<T> {
    return this.#computed(5);
  }
  sqrt(_a: Value<T>): Value<T> {
    return this.#computed(6);
  }
  add(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(7);
  }
  sub(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(8);
  }
  mul(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(9);
  }
  div(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(10);
  }
  /** A NaN if one operand is one; -0 is below +0. */
  min(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(11);
  }
  max(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(12);
  }
  /** The first operand with the sign of the second. */
  copysign(_a: Value<T>, _b: Value<T>): Value<T> {
    return this.#computed(13);
  }

  /** Loads as the integer instructions do; NaNs keep their bits. */
  load(_address: Value<A>, offset = 0): Value<T> {
    this.#memory(this.#wide ? 0x2b : 0x2a, offset);
    return TOKEN;
  }
  store(_address: Value<A>, _value: Value<T>, offset = 0): void {
    this.#memory(this.#wide ? 0x39 : 0x38, offset);
  }
  #memory(opcode: number, offset: number): void {
    this.#sink.u8(opcode);
    this.#sink.memoryAccess(this.#memoryIndex, 0, offset);
  }

  /** A vector with the value in every lane. */
  splat(_a: Value<T>): Vector {
    return this.#vector(this.#wide ? 0x14 : 0x13);
  }
  /** The first lane of a vector. */
  lane0(_a: Vector): Value<T> {
    this.#vector(this.#wide ? 0x21 : 0x1f);
    this.#sink.u8(0);
    return TOKEN;
  }
  /**
   * a * b + c in each lane, rounded once or twice as the engine likes, always the same way (core specification 3.0,
   * `relaxed_madd`). The engine must have it and round once for a fused operation: see `fusesMultiplyAdd`.
   */
  relaxedMadd(_a: Vector, _b: Vector, _c: Vector): Vector {
    return this.#vector(this.#wide ? 0x107 : 0x105);
  }
  #vector(opcode: number): Vector {
    this.#sink.u8(0xfd);
    this.#sink.u32(opcode);
    return TOKEN as unknown as Vector;
  }
}

/** Instructions that only single precision has. */
export class Float32Ops<A extends Int = "i32"> extends FloatOps<"f32", A> {
  readonly #sink: ByteSink;
  constructor(sink: ByteSink, memory: MemoryRef = MEMORY_0) {
    super(sink, "f32", memory);
    this.#sink = sink;
  }
  reinterpretI32(_a: I32): F32 {
    this.#sink.u8(0xbe);
    return TOKEN;
  }
  demoteF64(_a: F64): F32 {
    this.#sink.u8(0xb6);
    return TOKEN;
  }
  convertI64S(_a: I64): F32 {
    this.#sink.u8(0xb4);
    return TOKEN;
  }
  convertI64U(_a: I64): F32 {
    this.#sink.u8(0xb5);
    return TOKEN;
  }
}

/** Instructions that only double precision has. */
export class Float64Ops<A extends Int = "i32"> extends FloatOps<"f64", A> {
  readonly #sink: ByteSink;
  constructor(sink: ByteSink, memory: MemoryRef = MEMORY_0) {
    super(sink, "f64", memory);
    this.#sink = sink;
  }
  #emit(opcode: number): F64 {
    this.#sink.u8(opcode);
    return TOKEN;
  }
  const(value: number): F64 {
    this.#sink.u8(0x44);
    this.#sink.f64(value);
    return TOKEN;
  }
  convertI32S(_a: I32): F64 {
    return this.#emit(0xb7);
  }
  convertI32U(_a: I32): F64 {
    return this.#emit(0xb8);
  }
  convertI64S(_a: I64): F64 {
    return this.#emit(0xb9);
  }
  convertI64U(_a: I64): F64 {
    return this.#emit(0xba);
  }
  promoteF32(_a: F32): F64 {
    return this.#emit(0xbb);
  }
  reinterpretI64(_a: I64): F64 {
    return this.#emit(0xbf);
  }
}
