import type { ByteSink } from "./bytes.ts";
import { type F32, type F64, type I32, type I64, TOKEN, type Value } from "./types.ts";

/** The floating-point types. */
export type Float = "f32" | "f64";

/** The floating-point instructions of one width (core specification 2.0, section 5.4.7). */
export class FloatOps<T extends Float> {
  readonly #sink: ByteSink;
  readonly #compare: number;
  readonly #arithmetic: number;

  constructor(sink: ByteSink, type: T) {
    this.#sink = sink;
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
}

/** Instructions that only single precision has. */
export class Float32Ops extends FloatOps<"f32"> {
  readonly #sink: ByteSink;
  constructor(sink: ByteSink) {
    super(sink, "f32");
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
}

/** Instructions that only double precision has. */
export class Float64Ops extends FloatOps<"f64"> {
  readonly #sink: ByteSink;
  constructor(sink: ByteSink) {
    super(sink, "f64");
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
