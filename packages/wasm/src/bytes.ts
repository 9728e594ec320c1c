/** A growing byte buffer with WebAssembly's integer encodings (core specification 2.0, section 5.2.2). */
export class ByteSink {
  /** The buffer; only the first {@link length} bytes count. */
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Forgets the contents and keeps the buffer. */
  clear(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  u8(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Unsigned LEB128 of an integer from 0 to 2^32 - 1. */
  u32(value: number): void {
    if (value >>> 7 === 0 && this.length < this.bytes.length) {
      this.bytes[this.length++] = value;
      return;
    }
    this.reserve(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** Unsigned LEB128 of an integer from 0 to 2^53 - 1. */
  u64(value: number): void {
    let rest = value;
    for (; rest >= 2 ** 28; rest = Math.floor(rest / 128)) this.u8((rest & 0x7f) | 0x80);
    this.u32(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  s32(value: number): void {
    if (value >= -64 && value <= 63 && this.length < this.bytes.length) {
      this.bytes[this.length++] = value & 0x7f;
      return;
    }
    this.reserve(5);
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>= 7;
    }
    this.bytes[this.length++] = rest & 0x7f;
  }

  /** Signed LEB128 of a 64-bit integer: a safe integer, or a bigint taken modulo 2^64. */
  s64(value: number | bigint): void {
    if (typeof value === "number") {
      if (value === (value | 0)) {
        this.s32(value);
        return;
      }
      if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`);
    }
    this.reserve(10);
    let rest = BigInt.asIntN(64, BigInt(value));
    while (rest < -64n || rest > 63n) {
      this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.length++] = Number(rest & 0x7fn);
  }

  /** IEEE 754 double, little-endian. */
  f64(value: number): void {
    this.reserve(8);
    new DataView(this.bytes.buffer).setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** A name: its length in bytes, then UTF-8. */
  name(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u32(encoded.length);
    this.append(encoded, encoded.length);
  }

  /** The first `count` bytes of `source`. */
  append(source: Uint8Array, count: number): void {
    this.reserve(count);
    this.bytes.set(count === source.length ? source : source.subarray(0, count), this.length);
    this.length += count;
  }

  /** All of `other`, preceded by its length. */
  sized(other: ByteSink): void {
    this.u32(other.length);
    this.append(other.bytes, other.length);
  }

  /**
   * The operands of an instruction that accesses memory: the alignment's logarithm, the memory unless it is memory 0, and what is
   * added to the address (core specification 3.0, section 5.4.6).
   */
  memoryAccess(memory: number, sizeLog2: number, offset: number): void {
    if (memory === 0) {
      this.u8(sizeLog2);
    } else {
      this.u8(sizeLog2 | 0x40);
      this.u32(memory);
    }
    this.u64(offset);
  }

  /** The contents, until more is written. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }
}
