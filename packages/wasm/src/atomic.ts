import type { ByteSink } from "./bytes.ts";
import { type I32, type I64, type Int, MEMORY_0, type MemoryRef, TOKEN, type Value } from "./types.ts";

/** Read-modify-write operations that WebAssembly has as one instruction. */
export type AtomicOperation = "add" | "and" | "or" | "xor" | "exchange";

/** Opcodes of each operation's first form (32-bit); the others follow in the order of {@link FORM}. */
const OPERATION: Readonly<Record<AtomicOperation | "compareExchange", number>> = {
  add: 0x1e,
  and: 0x2c,
  or: 0x33,
  xor: 0x3a,
  exchange: 0x41,
  compareExchange: 0x48,
};

/** Distance from an operation's first opcode: an `i64` of 8 bytes, an `i64` of which 4 bytes count, an `i32` of one. */
const FORM = { 8: 1, 4: 6, byte: 2 } as const;

/**
 * Atomic instructions on one memory (threads proposal, "Atomic Memory Instructions"). All are sequentially consistent.
 * Addresses must be multiples of the access's size, or the module traps. 4-byte forms work on the low half of an
 * `i64` and give back values that are zero-extended.
 */
export class AtomicOps<A extends Int = "i32"> {
  readonly #sink: ByteSink;
  readonly #memoryIndex: number;

  constructor(sink: ByteSink, memory: MemoryRef = MEMORY_0) {
    this.#sink = sink;
    this.#memoryIndex = memory.index;
  }

  #memory(opcode: number, sizeLog2: number, offset: number): void {
    this.#sink.u8(0xfe);
    this.#sink.u8(opcode);
    this.#sink.memoryAccess(this.#memoryIndex, sizeLog2, offset);
  }

  /** Orders all accesses before it with all after it. */
  fence(): void {
    this.#sink.u8(0xfe);
    this.#sink.u8(0x03);
    this.#sink.u8(0x00);
  }

  load32(_address: Value<A>, offset = 0): I32 {
    this.#memory(0x10, 2, offset);
    return TOKEN;
  }

  load(_address: Value<A>, size: 4 | 8, offset = 0): I64 {
    if (size === 8) this.#memory(0x11, 3, offset);
    else this.#memory(0x16, 2, offset);
    return TOKEN;
  }

  /** Combines the value in memory with an operand; gives back what was there. */
  readModifyWrite(operation: AtomicOperation, _address: Value<A>, _value: I64, size: 4 | 8, offset = 0): I64 {
    this.#memory(OPERATION[operation] + FORM[size], size === 8 ? 3 : 2, offset);
    return TOKEN;
  }

  /** Stores `replacement` if memory holds `expected`, whose unused upper half must be zero; gives back what was there. */
  compareExchange(_address: Value<A>, _expected: I64, _replacement: I64, size: 4 | 8, offset = 0): I64 {
    this.#memory(OPERATION.compareExchange + FORM[size], size === 8 ? 3 : 2, offset);
    return TOKEN;
  }

  /** Sets bits of a byte; gives back what was there. */
  or8(_address: Value<A>, _value: I32, offset = 0): I32 {
    this.#memory(OPERATION.or + FORM.byte, 0, offset);
    return TOKEN;
  }
}
