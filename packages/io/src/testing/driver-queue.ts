import type { GuestMemory } from "@isomorph/interface";
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_USED_F_NO_NOTIFY,
} from "../virtio/constants.ts";

/** A buffer that the driver gives to the device. */
export interface DriverBuffer {
  readonly gpa: number;
  readonly length: number;
  /** Whether the device may write it; false by default. Writable buffers come after readable ones. */
  readonly writable?: boolean;
}

/** A chain that the device has used. */
export interface UsedChain {
  /** Head descriptor, as {@link DriverQueue.add} gave it. */
  readonly head: number;
  /** Bytes that the device says it has written. */
  readonly written: number;
}

/** Where a {@link DriverQueue} lies. */
export interface DriverQueueOptions {
  readonly memory: GuestMemory;
  /** Entries: a power of two. */
  readonly size: number;
  /** GPA, aligned to 4096, of {@link DriverQueue.bytesFor} bytes. */
  readonly gpa: number;
  /** Whether VIRTIO_F_EVENT_IDX was negotiated; false by default. */
  readonly eventIndex?: boolean;
  /** Value that both rings' indices start from, for tests of wrap-around; 0 by default, as the specification has it. */
  readonly start?: number;
}

/** The driver side of a split virtqueue (VIRTIO 1.2, section 2.7): a guest's driver, played by a test. */
export class DriverQueue {
  readonly size: number;
  /** GPA of the descriptor table, the available ring and the used ring. */
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  readonly #memory: GuestMemory;
  readonly #data: DataView;
  readonly #eventIndex: boolean;
  readonly #free: number[] = [];
  readonly #chains: (number[] | undefined)[] = [];
  #next: number;
  #seen: number;
  #kicked: number;

  /** Bytes of guest memory that a queue of `size` entries takes. */
  static bytesFor(size: number): number {
    return 16 * size + ((6 + 2 * size + 3) & ~3) + 6 + 8 * size;
  }

  constructor(options: DriverQueueOptions) {
    const { memory, size, gpa } = options;
    this.#memory = memory;
    this.#data = memory.data;
    this.#eventIndex = options.eventIndex ?? false;
    this.size = size;
    this.descriptors = gpa;
    this.available = gpa + 16 * size;
    this.used = this.available + ((6 + 2 * size + 3) & ~3);
    memory.view(gpa, DriverQueue.bytesFor(size)).fill(0);
    this.#next = options.start ?? 0;
    this.#seen = this.#next;
    this.#kicked = this.#next;
    this.#put16(this.available + 2, this.#next);
    this.#put16(this.used + 2, this.#next);
    for (let index = size - 1; index >= 0; index--) this.#free.push(index);
  }

  /** Descriptors that are free. */
  get free(): number {
    return this.#free.length;
  }

  /** Index that the available ring has reached. */
  get nextAvailable(): number {
    return this.#next;
  }

  /**
   * Makes a chain of `buffers` available and gives its head. With `table`, the GPA of 16 bytes a buffer, the chain is
   * an indirect one.
   *
   * @throws RangeError when there are not enough free descriptors.
   */
  add(buffers: readonly DriverBuffer[], table?: number): number {
    const count = table === undefined ? buffers.length : 1;
    if (count === 0 || count > this.#free.length)
      throw new RangeError(`${count} descriptors, ${this.#free.length} free`);
    const indices = Array.from({ length: count }, () => this.#free.pop() as number);
    const head = indices[0] as number;
    if (table === undefined) {
      for (const [at, buffer] of buffers.entries()) {
        const next = indices[at + 1];
        this.describe(
          this.descriptors,
          indices[at] as number,
          buffer.gpa,
          buffer.length,
          flagsOf(buffer, next),
          next,
        );
      }
    } else {
      for (const [at, buffer] of buffers.entries()) {
        const next = at + 1 < buffers.length ? at + 1 : undefined;
        this.describe(table, at, buffer.gpa, buffer.length, flagsOf(buffer, next), next);
      }
      this.describe(this.descriptors, head, table, buffers.length * 16, VIRTQ_DESC_F_INDIRECT);
    }
    this.#chains[head] = indices;
    this.publish(head);
    return head;
  }

  /** Writes one descriptor into a table. */
  describe(table: number, index: number, gpa: number, length: number, flags: number, next = 0): void {
    const at = table - this.#memory.base + index * 16;
    this.#data.setUint32(at, gpa % 2 ** 32, true);
    this.#data.setUint32(at + 4, Math.floor(gpa / 2 ** 32), true);
    this.#data.setUint32(at + 8, length, true);
    this.#data.setUint16(at + 12, flags, true);
    this.#data.setUint16(at + 14, next, true);
  }

  /** Puts a head into the available ring, whatever it is. */
  publish(head: number): void {
    this.#put16(this.available + 4 + 2 * (this.#next % this.size), head);
    this.setAvailableIndex((this.#next + 1) & 0xffff);
  }

  /** Sets the available ring's index, whatever it is. */
  setAvailableIndex(index: number): void {
    this.#next = index;
    this.#put16(this.available + 2, index);
  }

  /** Whether the device wants to hear of the chains added since the last call of this. */
  needsNotification(): boolean {
    const before = this.#kicked;
    this.#kicked = this.#next;
    if (!this.#eventIndex) return (this.#get16(this.used) & VIRTQ_USED_F_NO_NOTIFY) === 0;
    const event = this.#get16(this.used + 4 + 8 * this.size);
    return ((this.#next - event - 1) & 0xffff) < ((this.#next - before) & 0xffff);
  }

  /** Asks for no interrupts, or for them again: the flag, or with EVENT_IDX an event half the ring away. */
  suppressInterrupts(off: boolean): void {
    if (!this.#eventIndex) this.#put16(this.available, off ? VIRTQ_AVAIL_F_NO_INTERRUPT : 0);
    else this.setUsedEvent(off ? (this.#seen + 0x8000) & 0xffff : this.#seen);
  }

  /** With EVENT_IDX: the device interrupts when the used index passes `index`. */
  setUsedEvent(index: number): void {
    this.#put16(this.available + 4 + 2 * this.size, index);
  }

  /** The next chain that the device has used; undefined when there is none. Its descriptors are free again. */
  take(): UsedChain | undefined {
    if (this.#seen === this.#get16(this.used + 2)) return undefined;
    const at = this.used - this.#memory.base + 4 + 8 * (this.#seen % this.size);
    const head = this.#data.getUint32(at, true);
    const written = this.#data.getUint32(at + 4, true);
    this.#seen = (this.#seen + 1) & 0xffff;
    if (this.#eventIndex) this.setUsedEvent(this.#seen);
    for (const index of this.#chains[head] ?? []) this.#free.push(index);
    this.#chains[head] = undefined;
    return { head, written };
  }

  #get16(gpa: number): number {
    return this.#data.getUint16(gpa - this.#memory.base, true);
  }

  #put16(gpa: number, value: number): void {
    this.#data.setUint16(gpa - this.#memory.base, value, true);
  }
}

function flagsOf(buffer: DriverBuffer, next: number | undefined): number {
  return (buffer.writable === true ? VIRTQ_DESC_F_WRITE : 0) | (next === undefined ? 0 : VIRTQ_DESC_F_NEXT);
}
