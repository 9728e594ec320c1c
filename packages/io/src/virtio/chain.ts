import type { GuestMemory, VirtioChain, VirtioSegment } from "@isomorph/interface";

/** Buffers that a chain keeps for its next use. */
const KEPT = 16;

class Segment implements VirtioSegment {
  gpa = 0;
  length = 0;
  readonly #memory: GuestMemory;
  #window: Uint8Array | undefined;
  #windowGpa = -1;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Made when first looked at; the same buffer at the same place keeps its window. */
  get bytes(): Uint8Array {
    if (this.#window === undefined || this.#windowGpa !== this.gpa || this.#window.length !== this.length) {
      this.#window = this.#memory.view(this.gpa, this.length);
      this.#windowGpa = this.gpa;
    }
    return this.#window;
  }
}

/** A descriptor chain that is used again whenever its head is. */
export class Chain implements VirtioChain {
  readonly head: number;
  readonly readable: Segment[] = [];
  readonly writable: Segment[] = [];
  readableLength = 0;
  writableLength = 0;
  /** Order in which it was popped; 0 while the driver has it. */
  sequence = 0;
  readonly #memory: GuestMemory;
  readonly #pool: Segment[] = [];
  #used = 0;

  constructor(head: number, memory: GuestMemory) {
    this.head = head;
    this.#memory = memory;
  }

  clear(): void {
    this.readable.length = 0;
    this.writable.length = 0;
    this.readableLength = 0;
    this.writableLength = 0;
    this.#used = 0;
  }

  /** Back to the driver: a chain of many buffers doesn't hold on to them. */
  release(): void {
    this.sequence = 0;
    this.clear();
    if (this.#pool.length > KEPT) this.#pool.length = KEPT;
  }

  add(gpa: number, length: number, writable: boolean): void {
    let segment = this.#pool[this.#used];
    if (segment === undefined) {
      segment = new Segment(this.#memory);
      this.#pool.push(segment);
    }
    this.#used++;
    segment.gpa = gpa;
    segment.length = length;
    if (writable) {
      this.writable.push(segment);
      this.writableLength += length;
    } else {
      this.readable.push(segment);
      this.readableLength += length;
    }
  }

  /** Marks the first `count` bytes of the writable buffers dirty. */
  markDirty(count: number): void {
    let rest = count;
    for (let index = 0; index < this.writable.length && rest > 0; index++) {
      const segment = this.writable[index] as Segment;
      this.#memory.markDirty(segment.gpa, Math.min(segment.length, rest));
      rest -= segment.length;
    }
  }
}
