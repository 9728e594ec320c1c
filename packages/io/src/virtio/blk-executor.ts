import type {
  BlockBackend,
  GuestMemory,
  MaybePromise,
  VirtioChain,
  VirtioSegment,
} from "@isomorph/interface";
import {
  HEADER_SIZE,
  MAX_RANGE_SECTORS,
  MAX_RANGE_SEGMENTS,
  SECTOR,
  VIRTIO_BLK_S,
  VIRTIO_BLK_T,
} from "./blk-request.ts";
import { gather, scatter } from "./segments.ts";

const TWO32 = 0x1_0000_0000;
/** Longer transfers are cut into pieces of this many bytes, which bounds what the host holds for a request. */
const PIECE = 1 << 20;
const RANGE_SIZE = 16;
const UNMAP = 1;
const FUA: { readonly fua: true } = { fua: true };

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly unmap: boolean;
}

/** Whether `value` is there only later. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && "then" in value;
}

/**
 * Carries out the requests of a virtio block device on its backend.
 *
 * A backend that copies at once gets guest memory itself where a request's buffers are one piece. Any other gets
 * buffers of the host, as it may still use them after the driver has reset the device and used its memory otherwise.
 */
export class BlkExecutor {
  /** Every write is durable when it is acknowledged. */
  writeThrough = false;
  reads = 0;
  writes = 0;
  flushes = 0;
  discards = 0;
  /** Bytes that the backend read, wrote or zeroed without a promise; the device sets it back. */
  movedAtOnce = 0;
  readonly #memory: GuestMemory;
  readonly #backend: BlockBackend;
  readonly #serial: Uint8Array;
  readonly #header: Uint8Array = new Uint8Array(HEADER_SIZE);
  readonly #headerData: DataView = new DataView(this.#header.buffer);
  /** The last buffer that a backend was done with at once: requests of equal size share it. */
  #spare: Uint8Array | undefined;
  #epoch = 0;

  constructor(memory: GuestMemory, backend: BlockBackend, serial: Uint8Array) {
    this.#memory = memory;
    this.#backend = backend;
    this.#serial = serial;
  }

  /** From now on the requests that are under way leave guest memory and the disk alone. */
  abandon(): void {
    this.#epoch++;
  }

  /** Carries out the request in `chain`, which has a header and a status byte. Throws or rejects when the backend does. */
  execute(chain: VirtioChain): MaybePromise<number> {
    gather(chain.readable, 0, this.#header);
    const type = this.#headerData.getUint32(0, true);
    const sector = this.#headerData.getUint32(12, true) * TWO32 + this.#headerData.getUint32(8, true);
    const offset = sector * SECTOR;
    switch (type) {
      case VIRTIO_BLK_T.IN: {
        this.reads++;
        const length = chain.writableLength - 1;
        return this.#valid(offset, length) ? this.#read(chain.writable, offset, length) : VIRTIO_BLK_S.IOERR;
      }
      case VIRTIO_BLK_T.OUT: {
        this.writes++;
        const length = chain.readableLength - HEADER_SIZE;
        if (this.#backend.readOnly || !this.#valid(offset, length)) return VIRTIO_BLK_S.IOERR;
        return this.#write(chain.readable, offset, length);
      }
      case VIRTIO_BLK_T.FLUSH:
        this.flushes++;
        return done(this.#backend.flush());
      case VIRTIO_BLK_T.GET_ID: {
        const length = Math.min(chain.writableLength - 1, this.#serial.length);
        scatter(chain.writable, 0, this.#serial.subarray(0, length));
        return VIRTIO_BLK_S.OK;
      }
      case VIRTIO_BLK_T.DISCARD:
      case VIRTIO_BLK_T.WRITE_ZEROES:
        this.discards++;
        return this.#ranges(chain, type === VIRTIO_BLK_T.DISCARD);
      default:
        return VIRTIO_BLK_S.UNSUPP;
    }
  }

  /** Whether the range is whole blocks and within the disk. */
  #valid(offset: number, length: number): boolean {
    const { size, blockSize } = this.#backend;
    return offset % blockSize === 0 && length % blockSize === 0 && offset + length <= size;
  }

  #read(segments: readonly VirtioSegment[], offset: number, length: number): MaybePromise<number> {
    const gpa = this.#backend.copiesAtOnce === true ? contiguous(segments, 0, length) : -1;
    if (gpa >= 0) return this.#moved(length, this.#backend.read(offset, this.#memory.view(gpa, length)));
    for (let at = 0; at < length; at += PIECE) {
      const count = Math.min(PIECE, length - at);
      const buffer = this.#takeBounce(count);
      const result = this.#backend.read(offset + at, buffer);
      if (isPromise(result)) return this.#readRest(result, buffer, segments, offset, at, length);
      this.movedAtOnce += count;
      scatter(segments, at, buffer);
      this.#giveBounce(buffer);
    }
    return VIRTIO_BLK_S.OK;
  }

  async #readRest(
    first: Promise<void>,
    firstBuffer: Uint8Array,
    segments: readonly VirtioSegment[],
    offset: number,
    start: number,
    length: number,
  ): Promise<number> {
    const epoch = this.#epoch;
    let pending: MaybePromise<void> = first;
    let buffer = firstBuffer;
    let at = start;
    for (;;) {
      await pending;
      if (epoch !== this.#epoch) return VIRTIO_BLK_S.IOERR;
      scatter(segments, at, buffer);
      at += buffer.length;
      if (at >= length) return VIRTIO_BLK_S.OK;
      buffer = new Uint8Array(Math.min(PIECE, length - at));
      pending = this.#backend.read(offset + at, buffer);
    }
  }

  #write(segments: readonly VirtioSegment[], offset: number, length: number): MaybePromise<number> {
    const gpa = this.#backend.copiesAtOnce === true ? contiguous(segments, HEADER_SIZE, length) : -1;
    if (gpa >= 0) return this.#moved(length, this.#store(offset, this.#memory.view(gpa, length)));
    for (let at = 0; at < length; at += PIECE) {
      const count = Math.min(PIECE, length - at);
      const buffer = this.#takeBounce(count);
      gather(segments, HEADER_SIZE + at, buffer);
      const result = this.#store(offset + at, buffer);
      if (isPromise(result)) return this.#writeRest(result, segments, offset, at + count, length);
      this.movedAtOnce += count;
      this.#giveBounce(buffer);
    }
    return VIRTIO_BLK_S.OK;
  }

  async #writeRest(
    first: Promise<void>,
    segments: readonly VirtioSegment[],
    offset: number,
    start: number,
    length: number,
  ): Promise<number> {
    const epoch = this.#epoch;
    await first;
    for (let at = start; at < length; at += PIECE) {
      if (epoch !== this.#epoch) return VIRTIO_BLK_S.IOERR;
      const buffer = new Uint8Array(Math.min(PIECE, length - at));
      gather(segments, HEADER_SIZE + at, buffer);
      await this.#store(offset + at, buffer);
    }
    return VIRTIO_BLK_S.OK;
  }

  #store(offset: number, source: Uint8Array): MaybePromise<void> {
    return this.writeThrough ? this.#backend.write(offset, source, FUA) : this.#backend.write(offset, source);
  }

  #ranges(chain: VirtioChain, discard: boolean): MaybePromise<number> {
    const bytes = chain.readableLength - HEADER_SIZE;
    if (bytes === 0 || bytes % RANGE_SIZE !== 0 || bytes > MAX_RANGE_SEGMENTS * RANGE_SIZE)
      return VIRTIO_BLK_S.IOERR;
    if (this.#backend.readOnly) return VIRTIO_BLK_S.IOERR;
    const data = new DataView(new ArrayBuffer(bytes));
    gather(chain.readable, HEADER_SIZE, new Uint8Array(data.buffer));
    const ranges: Range[] = [];
    for (let at = 0; at < bytes; at += RANGE_SIZE) {
      const offset = (data.getUint32(at + 4, true) * TWO32 + data.getUint32(at, true)) * SECTOR;
      const sectors = data.getUint32(at + 8, true);
      const flags = data.getUint32(at + 12, true);
      // Section 5.2.6.2: unknown flags are unsupported, and so is unmap in a discard.
      if ((flags & ~(discard ? 0 : UNMAP)) !== 0) return VIRTIO_BLK_S.UNSUPP;
      if (sectors > MAX_RANGE_SECTORS || !this.#valid(offset, sectors * SECTOR)) return VIRTIO_BLK_S.IOERR;
      if (sectors > 0) ranges.push({ offset, length: sectors * SECTOR, unmap: (flags & UNMAP) !== 0 });
    }
    for (const [index, range] of ranges.entries()) {
      const result = this.#zero(range, discard);
      if (isPromise(result)) return this.#rangesRest(result, ranges.slice(index + 1), discard);
      this.movedAtOnce += range.length;
    }
    return VIRTIO_BLK_S.OK;
  }

  async #rangesRest(first: Promise<void>, rest: readonly Range[], discard: boolean): Promise<number> {
    const epoch = this.#epoch;
    await first;
    for (const range of rest) {
      if (epoch !== this.#epoch) return VIRTIO_BLK_S.IOERR;
      await this.#zero(range, discard);
    }
    return VIRTIO_BLK_S.OK;
  }

  #zero(range: Range, discard: boolean): MaybePromise<void> {
    const { offset, length, unmap } = range;
    // Writing zeroes is a write: write-through holds for it. A discard has no data to lose.
    if (discard) return this.#backend.discard(offset, length);
    return this.#backend.writeZeroes(offset, length, { unmap, fua: this.writeThrough });
  }

  #moved(length: number, result: MaybePromise<void>): MaybePromise<number> {
    if (!isPromise(result)) this.movedAtOnce += length;
    return done(result);
  }

  /** A buffer of `count` bytes, which is the caller's until it gives it back. */
  #takeBounce(count: number): Uint8Array {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare?.length === count ? spare : new Uint8Array(count);
  }

  /** Takes back a buffer that the backend is done with. */
  #giveBounce(buffer: Uint8Array): void {
    this.#spare = buffer;
  }
}

function done(result: MaybePromise<void>): MaybePromise<number> {
  return isPromise(result) ? result.then(succeeded) : VIRTIO_BLK_S.OK;
}

function succeeded(): number {
  return VIRTIO_BLK_S.OK;
}

/** GPA of `length` bytes from `skip` bytes into the buffers, when these follow each other in memory; else -1. */
function contiguous(segments: readonly VirtioSegment[], skip: number, length: number): number {
  let start = -1;
  let end = -1;
  let rest = length;
  let ahead = skip;
  for (let index = 0; index < segments.length && rest > 0; index++) {
    const { gpa, bytes } = segments[index] as VirtioSegment;
    if (ahead >= bytes.length) {
      ahead -= bytes.length;
      continue;
    }
    const from = gpa + ahead;
    if (start < 0) start = from;
    else if (from !== end) return -1;
    end = gpa + bytes.length;
    rest -= bytes.length - ahead;
    ahead = 0;
  }
  return start;
}
