const DEPTH = 16;

/** The receiver FIFO of a 16550A: 16 characters, each with its line status. One character deep while disabled. */
export class ReceiveFifo {
  readonly #bytes: Uint8Array = new Uint8Array(DEPTH);
  readonly #errors: Uint8Array = new Uint8Array(DEPTH);
  #head = 0;
  length = 0;
  enabled = false;

  get full(): boolean {
    return this.length >= (this.enabled ? DEPTH : 1);
  }

  /** Adds a character and its error bits as in LSR. The caller has checked {@link full}. */
  push(byte: number, errors: number): void {
    const tail = (this.#head + this.length) % DEPTH;
    this.#bytes[tail] = byte;
    this.#errors[tail] = errors;
    this.length++;
  }

  /** Takes out the oldest character; 0 when there is none. */
  shift(): number {
    if (this.length === 0) return 0;
    const byte = this.#bytes[this.#head] as number;
    this.#errors[this.#head] = 0;
    this.#head = (this.#head + 1) % DEPTH;
    this.length--;
    return byte;
  }

  /** Error bits of the oldest character. */
  get errors(): number {
    return this.length === 0 ? 0 : (this.#errors[this.#head] as number);
  }

  clearErrors(): void {
    this.#errors[this.#head] = 0;
  }

  /** Whether any character in the FIFO has an error. */
  get anyErrors(): boolean {
    for (let index = 0; index < this.length; index++) {
      if (this.#errors[(this.#head + index) % DEPTH] !== 0) return true;
    }
    return false;
  }

  clear(): void {
    this.#head = 0;
    this.length = 0;
    this.#errors.fill(0);
  }

  /** Characters and errors in order, alternating. */
  save(): number[] {
    const pairs: number[] = [];
    for (let index = 0; index < this.length; index++) {
      const at = (this.#head + index) % DEPTH;
      pairs.push(this.#bytes[at] as number, this.#errors[at] as number);
    }
    return pairs;
  }

  restore(pairs: readonly number[]): void {
    this.clear();
    for (let index = 0; index + 1 < pairs.length && this.length < DEPTH; index += 2) {
      this.push(pairs[index] as number, pairs[index + 1] as number);
    }
  }
}
