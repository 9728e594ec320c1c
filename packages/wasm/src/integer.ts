import type { ByteSink } from "./bytes.ts";
import { type I32, type Int, MEMORY_0, type MemoryRef, TOKEN, type Value } from "./types.ts";

/** The right operand of an operation: a stack value, or a literal. Only the last operand can be a literal. */
export type Operand<T extends Int> = Value<T> | number | bigint;

/**
 * The integer instructions of one width (core specification 2.0, section 5.4.7). Names are WebAssembly's own;
 * `S` and `U` say how operands are read. Loads and stores are of one memory; they promise no alignment: the address may
 * have any.
 */
export class IntegerOps<T extends Int, A extends Int = "i32"> {
  readonly #sink: ByteSink;
  readonly #memoryIndex: number;
  readonly #wide: boolean;
  /** Opcode of the first comparison (`eqz`). */
  readonly #compare: number;
  /** Opcode of the first arithmetic instruction (`clz`). */
  readonly #arithmetic: number;

  constructor(sink: ByteSink, type: T, memory: MemoryRef = MEMORY_0) {
    this.#sink = sink;
    this.#memoryIndex = memory.index;
    this.#wide = type === "i64";
    this.#compare = this.#wide ? 0x50 : 0x45;
    this.#arithmetic = this.#wide ? 0x79 : 0x67;
  }

  const(value: number | bigint): Value<T> {
    const sink = this.#sink;
    if (this.#wide) {
      sink.u8(0x42);
      sink.s64(value);
    } else {
      sink.u8(0x41);
      sink.s32(Number(value));
    }
    return TOKEN;
  }

  #push(operand: Operand<T>): void {
    if (typeof operand === "number" || typeof operand === "bigint") this.const(operand);
  }

  #compared(offset: number, b: Operand<T>): I32 {
    this.#push(b);
    this.#sink.u8(this.#compare + offset);
    return TOKEN;
  }

  #computed(offset: number, b: Operand<T>): Value<T> {
    this.#push(b);
    this.#sink.u8(this.#arithmetic + offset);
    return TOKEN;
  }

  #unary(opcode: number): Value<T> {
    this.#sink.u8(opcode);
    return TOKEN;
  }

  eqz(_a: Value<T>): I32 {
    this.#sink.u8(this.#compare);
    return TOKEN;
  }
  eq(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(1, b);
  }
  ne(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(2, b);
  }
  ltS(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(3, b);
  }
  ltU(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(4, b);
  }
  gtS(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(5, b);
  }
  gtU(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(6, b);
  }
  leS(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(7, b);
  }
  leU(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(8, b);
  }
  geS(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(9, b);
  }
  geU(_a: Value<T>, b: Operand<T>): I32 {
    return this.#compared(10, b);
  }

  clz(_a: Value<T>): Value<T> {
    return this.#unary(this.#arithmetic);
  }
  ctz(_a: Value<T>): Value<T> {
    return this.#unary(this.#arithmetic + 1);
  }
  popcnt(_a: Value<T>): Value<T> {
    return this.#unary(this.#arithmetic + 2);
  }
  add(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(3, b);
  }
  sub(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(4, b);
  }
  mul(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(5, b);
  }
  /** Traps the module on division by zero and on overflow: test before. */
  divS(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(6, b);
  }
  divU(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(7, b);
  }
  remS(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(8, b);
  }
  remU(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(9, b);
  }
  and(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(10, b);
  }
  or(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(11, b);
  }
  xor(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(12, b);
  }
  shl(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(13, b);
  }
  shrS(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(14, b);
  }
  shrU(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(15, b);
  }
  rotl(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(16, b);
  }
  rotr(_a: Value<T>, b: Operand<T>): Value<T> {
    return this.#computed(17, b);
  }
  extend8S(_a: Value<T>): Value<T> {
    return this.#unary(this.#wide ? 0xc2 : 0xc0);
  }
  extend16S(_a: Value<T>): Value<T> {
    return this.#unary(this.#wide ? 0xc3 : 0xc1);
  }

  #memory(opcode: number, offset: number): Value<T> {
    this.#sink.u8(opcode);
    this.#sink.memoryAccess(this.#memoryIndex, 0, offset);
    return TOKEN;
  }

  /** Loads a full value; `offset` is a constant added to the address without wrap-around. */
  load(_address: Value<A>, offset = 0): Value<T> {
    return this.#memory(this.#wide ? 0x29 : 0x28, offset);
  }
  load8S(_address: Value<A>, offset = 0): Value<T> {
    return this.#memory(this.#wide ? 0x30 : 0x2c, offset);
  }
  load8U(_address: Value<A>, offset = 0): Value<T> {
    return this.#memory(this.#wide ? 0x31 : 0x2d, offset);
  }
  load16S(_address: Value<A>, offset = 0): Value<T> {
    return this.#memory(this.#wide ? 0x32 : 0x2e, offset);
  }
  load16U(_address: Value<A>, offset = 0): Value<T> {
    return this.#memory(this.#wide ? 0x33 : 0x2f, offset);
  }
  store(_address: Value<A>, value: Operand<T>, offset = 0): void {
    this.#push(value);
    this.#memory(this.#wide ? 0x37 : 0x36, offset);
  }
  store8(_address: Value<A>, value: Operand<T>, offset = 0): void {
    this.#push(value);
    this.#memory(this.#wide ? 0x3c : 0x3a, offset);
  }
  store16(_address: Value<A>, value: Operand<T>, offset = 0): void {
    this.#push(value);
    this.#memory(this.#wide ? 0x3d : 0x3b, offset);
  }
}

/** Instructions that only the 64-bit width has. */
export class Integer64Ops<A extends Int = "i32"> extends IntegerOps<"i64", A> {
  readonly #sink: ByteSink;
  readonly #memoryIndex: number;

  constructor(sink: ByteSink, memory: MemoryRef = MEMORY_0) {
    super(sink, "i64", memory);
    this.#sink = sink;
    this.#memoryIndex = memory.index;
  }

  #access(opcode: number, offset: number): Value<"i64"> {
    this.#sink.u8(opcode);
    this.#sink.memoryAccess(this.#memoryIndex, 0, offset);
    return TOKEN;
  }

  #emit(opcode: number): Value<"i64"> {
    this.#sink.u8(opcode);
    return TOKEN;
  }

  extendI32S(_a: I32): Value<"i64"> {
    return this.#emit(0xac);
  }
  extendI32U(_a: I32): Value<"i64"> {
    return this.#emit(0xad);
  }
  /** Sign-extends the low 32 bits. */
  extend32S(_a: Value<"i64">): Value<"i64"> {
    return this.#emit(0xc4);
  }
  load32S(_address: Value<A>, offset = 0): Value<"i64"> {
    return this.#access(0x34, offset);
  }
  load32U(_address: Value<A>, offset = 0): Value<"i64"> {
    return this.#access(0x35, offset);
  }
  store32(_address: Value<A>, value: Operand<"i64">, offset = 0): void {
    if (typeof value === "number" || typeof value === "bigint") this.const(value);
    this.#access(0x3e, offset);
  }
  reinterpretF64(_a: Value<"f64">): Value<"i64"> {
    return this.#emit(0xbd);
  }
  /** Truncates toward zero, saturating; NaN gives zero. */
  truncSatF64S(_a: Value<"f64">): Value<"i64"> {
    this.#sink.u8(0xfc);
    return this.#emit(6);
  }
  truncSatF64U(_a: Value<"f64">): Value<"i64"> {
    this.#sink.u8(0xfc);
    return this.#emit(7);
  }
}

/** Instructions that only the 32-bit width has. */
export class Integer32Ops<A extends Int = "i32"> extends IntegerOps<"i32", A> {
  readonly #sink: ByteSink;

  constructor(sink: ByteSink, memory: MemoryRef = MEMORY_0) {
    super(sink, "i32", memory);
    this.#sink = sink;
  }

  /** The low 32 bits of a 64-bit value. */
  wrapI64(_a: Value<"i64">): I32 {
    this.#sink.u8(0xa7);
    return TOKEN;
  }
  reinterpretF32(_a: Value<"f32">): I32 {
    this.#sink.u8(0xbc);
    return TOKEN;
  }
}
