/** A bounded first-in first-out buffer of bytes on their way to the guest. It allocates nothing after construction. */
export class InputBuffer {
  readonly #bytes: Uint8Array;
  #head = 0;
  #length = 0;

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 1 << 26) {
      throw new RangeError(`input buffer of ${capacity} bytes is not from 1 to ${1 << 26}`);
    }
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** Takes what fits of `source`; returns how many bytes that is. */
  write(source: Uint8Array): number {
    const bytes = this.#bytes;
    const count = Math.min(source.length, bytes.length - this.#length);
    const tail = (this.#head + this.#length) % bytes.length;
    const first = Math.min(count, bytes.length - tail);
    bytes.set(source.subarray(0, first), tail);
    bytes.set(source.subarray(first, count), 0);
    this.#length += count;
    return count;
  }

  /** Takes out one byte; -1 when there is none. */
  shift(): number {
    if (this.#length === 0) return -1;
    const byte = this.#bytes[this.#head] as number;
    this.#head = (this.#head + 1) % this.#bytes.length;
    this.#length--;
    return byte;
  }

  /** Moves bytes into `target`; returns how many. */
  read(target: Uint8Array): number {
    const count = Math.min(target.length, this.#length);
    const first = Math.min(count, this.#bytes.length - this.#head);
    target.set(this.#bytes.subarray(this.#head, this.#head + first), 0);
    target.set(this.#bytes.subarray(0, count - first), first);
    this.#head = (this.#head + count) % this.#bytes.length;
    this.#length -= count;
    return count;
  }

  clear(): void {
    this.#head = 0;
    this.#length = 0;
  }

  /** A copy of what is in the buffer. */
  peekAll(): Uint8Array {
    const copy = new Uint8Array(this.#length);
    const first = Math.min(copy.length, this.#bytes.length - this.#head);
    copy.set(this.#bytes.subarray(this.#head, this.#head + first), 0);
    copy.set(this.#bytes.subarray(0, copy.length - first), first);
    return copy;
  }
}
