import type { GuestMemory, SnapshotState, VirtioChain, VirtioQueue } from "@isomorph/interface";
import { checkVersion, integerField, integersField } from "../snapshot.ts";
import { Chain } from "./chain.ts";
import {
  MAX_QUEUE_SIZE,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from "./constants.ts";

const TWO32 = 0x1_0000_0000;
/** Most descriptors in an indirect chain; drivers stay far below. */
const MAX_INDIRECT = 1024;

/** Where a split virtqueue lies and how its driver uses it. */
export interface SplitQueueOptions {
  readonly memory: GuestMemory;
  /** Entries: a power of two up to 32768. */
  readonly size: number;
  /** GPA of the descriptor table, aligned to 16 bytes. */
  readonly descriptors: number;
  /** GPA of the available ring (the driver area), aligned to 2 bytes. */
  readonly available: number;
  /** GPA of the used ring (the device area), aligned to 4 bytes. */
  readonly used: number;
  /** Whether VIRTIO_F_INDIRECT_DESC was negotiated. */
  readonly indirect: boolean;
  /** Whether VIRTIO_F_EVENT_IDX was negotiated. */
  readonly eventIndex: boolean;
  /** Interrupts the driver. */
  readonly interrupt: () => void;
  /** The driver broke the ring: no chain comes out any more. Called once, with the reason. */
  readonly broken: (reason: string) => void;
}

/**
 * The device side of a split virtqueue (VIRTIO 1.2, section 2.7).
 *
 * Nothing a driver writes makes it throw, loop or grow: a bad index, address, flag or chain breaks the ring for good.
 * Chain objects are used again: one belongs to the device from `pop` to `push`.
 */
export class SplitQueue implements VirtioQueue {
  readonly size: number;
  readonly #options: SplitQueueOptions;
  readonly #memory: GuestMemory;
  readonly #data: DataView;
  /** RAM as 16-bit words, for the indices that both sides share: their accesses order all others. */
  readonly #words: Uint16Array;
  readonly #chains: (Chain | undefined)[] = [];
  readonly #descriptors: number;
  readonly #availableRing: number;
  readonly #usedRing: number;
  readonly #availableIndex: number;
  readonly #usedIndex: number;
  readonly #usedEvent: number;
  readonly #availableEvent: number;
  #alive = true;
  #next = 0;
  #used = 0;
  #signalled = 0;
  #sequence = 0;
  #replay: number[] = [];

  constructor(options: SplitQueueOptions) {
    const { memory, size } = options;
    this.#options = options;
    this.#memory = memory;
    this.#data = memory.data;
    this.size = size;
    const ram = memory.bytes;
    this.#words = new Uint16Array(ram.buffer, ram.byteOffset, Math.floor(ram.byteLength / 2));
    this.#descriptors = options.descriptors - memory.base;
    const available = options.available - memory.base;
    const used = options.used - memory.base;
    this.#availableRing = available + 4;
    this.#usedRing = used + 4;
    this.#availableIndex = (available + 2) / 2;
    this.#usedIndex = (used + 2) / 2;
    this.#usedEvent = (available + 4 + 2 * size) / 2;
    this.#availableEvent = (used + 4 + 8 * size) / 2;
    const reason = misplaced(options);
    if (reason !== undefined) this.#break(reason);
  }

  /** Whether chains can still come out: false after the ring broke or was detached. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Chains that a restored snapshot had in flight and that `pop` has still to give out again. */
  get replays(): number {
    return this.#replay.length;
  }

  pop(): VirtioChain | undefined {
    if (!this.#alive) return undefined;
    if (this.#replay.length > 0) return this.#walk(this.#replay.shift() as number);
    let outstanding = (Atomics.load(this.#words, this.#availableIndex) - this.#next) & 0xffff;
    if (outstanding === 0) {
      if (!this.#options.eventIndex) return undefined;
      // Section 2.7.10: ask for a notification of the next buffer, then look again, lest one came in between.
      Atomics.store(this.#words, this.#availableEvent, this.#next);
      this.#memory.markDirty(this.#memory.base + this.#availableEvent * 2, 2);
      outstanding = (Atomics.load(this.#words, this.#availableIndex) - this.#next) & 0xffff;
      if (outstanding === 0) return undefined;
    }
    if (outstanding > this.size) {
      this.#break("available index ahead by more than the queue size");
      return undefined;
    }
    const head = this.#data.getUint16(this.#availableRing + (this.#next & (this.size - 1)) * 2, true);
    this.#next = (this.#next + 1) & 0xffff;
    return this.#walk(head);
  }

  push(chain: VirtioChain, written: number): void {
    const own = this.#chains[chain.head];
    if (!this.#alive || own !== chain || own.sequence === 0) return;
    own.markDirty(written);
    own.release();
    const element = this.#usedRing + (this.#used & (this.size - 1)) * 8;
    this.#data.setUint32(element, own.head, true);
    this.#data.setUint32(element + 4, written, true);
    this.#memory.markDirty(this.#memory.base + element, 8);
    this.#used = (this.#used + 1) & 0xffff;
    Atomics.store(this.#words, this.#usedIndex, this.#used);
    this.#memory.markDirty(this.#memory.base + this.#usedIndex * 2, 2);
  }

  notify(): void {
    const before = this.#signalled;
    if (!this.#alive || this.#used === before) return;
    this.#signalled = this.#used;
    if (this.#options.eventIndex) {
      const event = Atomics.load(this.#words, this.#usedEvent);
      if (((this.#used - event - 1) & 0xffff) >= ((this.#used - before) & 0xffff)) return;
    } else if ((Atomics.load(this.#words, this.#availableIndex - 1) & VIRTQ_AVAIL_F_NO_INTERRUPT) !== 0)
      return;
    this.#options.interrupt();
  }

  /** Takes the queue away from its device: nothing comes out any more, and what is pushed is dropped. */
  detach(): void {
    this.#alive = false;
  }

  save(): SnapshotState {
    const flying = this.#chains.filter((chain) => chain !== undefined && chain.sequence > 0) as Chain[];
    flying.sort((a, b) => a.sequence - b.sequence);
    return {
      version: 1,
      next: this.#next,
      used: this.#used,
      signalled: this.#signalled,
      inFlight: [...flying.map((chain) => chain.head), ...this.#replay],
    };
  }

  /** Takes over `state`. What was in flight comes out of `pop` again, first and in its old order. */
  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtqueue");
    const heads = integersField(state, "inFlight", this.size, this.size - 1);
    this.#next = integerField(state, "next", 0xffff);
    this.#used = integerField(state, "used", 0xffff);
    this.#signalled = integerField(state, "signalled", 0xffff);
    this.#replay = [...heads];
    for (const chain of this.#chains) chain?.release();
  }

  #break(reason: string): undefined {
    if (!this.#alive) return;
    this.#alive = false;
    this.#options.broken(reason);
  }

  #walk(head: number): VirtioChain | undefined {
    if (head >= this.size) return this.#break("head index beyond the queue");
    let chain = this.#chains[head];
    if (chain === undefined) {
      chain = new Chain(head, this.#memory);
      this.#chains[head] = chain;
    } else if (chain.sequence > 0) return this.#break("head is in use already");
    chain.clear();
    const reason = this.#collect(chain);
    if (reason !== undefined) {
      chain.release();
      return this.#break(reason);
    }
    chain.sequence = ++this.#sequence;
    return chain;
  }

  /** Fills `chain` from its descriptors; says what is wrong with them, if anything is. */
  #collect(chain: Chain): string | undefined {
    const memory = this.#memory;
    const data = this.#data;
    let table = this.#descriptors;
    let entries = this.size;
    let left = this.size;
    let inTable = false;
    let index = chain.head;
    for (;;) {
      if (left-- === 0) return "chain too long or a loop";
      const at = table + index * 16;
      const gpa = data.getUint32(at + 4, true) * TWO32 + data.getUint32(at, true);
      const length = data.getUint32(at + 8, true);
      const flags = data.getUint16(at + 12, true);
      const next = data.getUint16(at + 14, true);
      if (!memory.contains(gpa, length)) return "buffer outside memory";
      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
        if (!this.#options.indirect) return "indirect descriptor not negotiated";
        if (inTable) return "indirect descriptor in an indirect table";
        if ((flags & VIRTQ_DESC_F_NEXT) !== 0) return "indirect descriptor with a next one";
        if (length === 0 || length % 16 !== 0) return "indirect table of odd length";
        inTable = true;
        table = gpa - memory.base;
        entries = length / 16;
        left = Math.min(entries, MAX_INDIRECT);
        index = 0;
        continue;
      }
      if (length === 0) return "buffer of length zero";
      const writable = (flags & VIRTQ_DESC_F_WRITE) !== 0;
      if (!writable && chain.writableLength > 0) return "readable buffer after a writable one";
      chain.add(gpa, length, writable);
      // Section 2.7.5.3.1 has the limit on the sum.
      if (chain.readableLength + chain.writableLength >= TWO32) return "chain of 4 GiB or more";
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return undefined;
      if (next >= entries) return "next index beyond the table";
      index = next;
    }
  }
}

/** What is wrong with the place of a queue, if anything is. */
function misplaced(options: SplitQueueOptions): string | undefined {
  const { memory, size, descriptors, available, used } = options;
  if (size < 1 || size > MAX_QUEUE_SIZE || (size & (size - 1)) !== 0) return `queue size ${size}`;
  if (descriptors % 16 !== 0 || !memory.contains(descriptors, 16 * size)) return "descriptor table misplaced";
  if (available % 2 !== 0 || !memory.contains(available, 6 + 2 * size)) return "available ring misplaced";
  if (used % 4 !== 0 || !memory.contains(used, 6 + 8 * size)) return "used ring misplaced";
  return undefined;
}
