import { AtomicOps } from "./atomic.ts";
import type { ByteSink } from "./bytes.ts";
import { Float32Ops, Float64Ops } from "./float.ts";
import { Integer32Ops, Integer64Ops } from "./integer.ts";
import type { I32, Int, MemoryRef, Value } from "./types.ts";

/** The instructions on one memory of a module. Those of memory 0 encode as they do where there is no other one. */
export class MemoryOps<A extends Int = Int> {
  readonly i32: Integer32Ops<A>;
  readonly i64: Integer64Ops<A>;
  readonly f32: Float32Ops<A>;
  readonly f64: Float64Ops<A>;
  readonly atomic: AtomicOps<A>;
  readonly #sink: ByteSink;
  readonly #index: number;

  constructor(sink: ByteSink, memory: MemoryRef<A>) {
    this.i32 = new Integer32Ops<A>(sink, memory);
    this.i64 = new Integer64Ops<A>(sink, memory);
    this.f32 = new Float32Ops<A>(sink, memory);
    this.f64 = new Float64Ops<A>(sink, memory);
    this.atomic = new AtomicOps<A>(sink, memory);
    this.#sink = sink;
    this.#index = memory.index;
  }

  /** Copies `length` bytes within the memory (`memory.copy`). */
  copy(_destination: Value<A>, _source: Value<A>, _length: Value<A>): void {
    this.#bulk(10);
    this.#sink.u32(this.#index);
    this.#sink.u32(this.#index);
  }
  /** Fills `length` bytes with a byte (`memory.fill`). */
  fill(_destination: Value<A>, _byte: I32, _length: Value<A>): void {
    this.#bulk(11);
    this.#sink.u32(this.#index);
  }
  #bulk(opcode: number): void {
    this.#sink.u8(0xfc);
    this.#sink.u32(opcode);
  }
}
