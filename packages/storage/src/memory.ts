/**
 * A disk in memory.
 *
 * @packageDocumentation
 */
import type { BlockBackend, Extent, WriteOptions, WriteZeroesOptions } from "@isomorph/interface";
import { checkGeometry, checkRange, refuseChange, refuseClosed } from "./block-range.ts";
import { diskError } from "./disk-error.ts";
import { ExtentList } from "./extents.ts";

/** Unit of allocation in bytes. */
const CHUNK = 0x1_0000;
const NAME = "memory disk";

/** What {@link memoryDisk} makes. Give `size` or `bytes`. */
export interface MemoryDiskOptions {
  /** Bytes in a disk that reads as zeroes; memory is taken as it is written. */
  readonly size?: number;
  /** The disk's content. The disk keeps everything in this array and takes it over until it is closed. */
  readonly bytes?: Uint8Array;
  /** Bytes in a block: a power of two, 512 (default) or more. */
  readonly blockSize?: number;
  /** Refuse changes. Default false. */
  readonly readOnly?: boolean;
}

/** Counters of a {@link MemoryDisk}. */
export interface MemoryDiskStats {
  /** Bytes of memory that hold content, in units of 64 KiB. */
  readonly allocatedBytes: number;
}

/** A disk in memory. Every call completes at once; nothing outlives the process. */
export interface MemoryDisk extends BlockBackend {
  read(offset: number, target: Uint8Array): void;
  write(offset: number, source: Uint8Array, options?: WriteOptions): void;
  flush(): void;
  /** Gives memory back in units of 64 KiB; the range reads as zeroes. */
  discard(offset: number, length: number): void;
  writeZeroes(offset: number, length: number, options?: WriteZeroesOptions): void;
  extents(offset: number, length: number): readonly Extent[];
  close(): void;
  stats(): MemoryDiskStats;
}

/**
 * Makes a disk in memory: sparse when given `size`, or on the given `bytes`.
 *
 * A write for which the host has no memory fails with code `ENOMEM`.
 *
 * @throws TypeError unless exactly one of `size` and `bytes` is given; RangeError on sizes that are not possible.
 */
export function memoryDisk(options: MemoryDiskOptions): MemoryDisk {
  const { size, bytes, blockSize = 512, readOnly = false } = options;
  if ((size === undefined) === (bytes === undefined)) {
    throw new TypeError("memoryDisk needs either size or bytes");
  }
  return new ChunkedDisk(size ?? bytes?.length ?? 0, blockSize, readOnly, bytes);
}

class ChunkedDisk implements MemoryDisk {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly copiesAtOnce: boolean = true;
  /** Chunks by number; one that is missing reads as zeroes. */
  readonly #chunks = new Map<number, Uint8Array>();
  /** Chunks are windows on the caller's array: they are zeroed, never dropped. */
  readonly #fixed: boolean;
  #closed = false;

  constructor(size: number, blockSize: number, readOnly: boolean, bytes: Uint8Array | undefined) {
    checkGeometry(size, blockSize);
    this.size = size;
    this.blockSize = blockSize;
    this.readOnly = readOnly;
    this.#fixed = bytes !== undefined;
    if (bytes !== undefined) {
      for (let at = 0; at < size; at += CHUNK) this.#chunks.set(at / CHUNK, bytes.subarray(at, at + CHUNK));
    }
  }

  read(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    let at = offset;
    let done = 0;
    while (done < target.length) {
      const start = at % CHUNK;
      const length = Math.min(CHUNK - start, target.length - done);
      const chunk = this.#chunks.get((at - start) / CHUNK);
      if (chunk === undefined) target.fill(0, done, done + length);
      else target.set(chunk.subarray(start, start + length), done);
      at += length;
      done += length;
    }
  }

  write(offset: number, source: Uint8Array, _options?: WriteOptions): void {
    this.#checkChange(offset, source.length);
    let at = offset;
    let done = 0;
    while (done < source.length) {
      const start = at % CHUNK;
      const length = Math.min(CHUNK - start, source.length - done);
      this.#chunk((at - start) / CHUNK).set(source.subarray(done, done + length), start);
      at += length;
      done += length;
    }
  }

  flush(): void {
    // There is no durable medium below.
    if (this.#closed) refuseClosed(NAME);
  }

  discard(offset: number, length: number): void {
    this.#checkChange(offset, length);
    this.#zero(offset, length);
  }

  writeZeroes(offset: number, length: number, _options?: WriteZeroesOptions): void {
    this.#checkChange(offset, length);
    this.#zero(offset, length);
  }

  extents(offset: number, length: number): readonly Extent[] {
    this.#check(offset, length);
    const list = new ExtentList();
    const end = offset + length;
    let at = offset;
    for (const index of this.#allocated(offset, end)) {
      const start = Math.max(offset, index * CHUNK);
      const stop = Math.min(end, (index + 1) * CHUNK);
      if (start > at) list.add(at, start - at, "hole");
      list.add(start, stop - start, "data");
      at = stop;
    }
    if (end > at) list.add(at, end - at, "hole");
    return list.list();
  }

  close(): void {
    this.#closed = true;
    this.#chunks.clear();
  }

  stats(): MemoryDiskStats {
    return { allocatedBytes: this.#chunks.size * CHUNK };
  }

  #check(offset: number, length: number): void {
    if (this.#closed) refuseClosed(NAME);
    checkRange(this, offset, length);
  }

  #checkChange(offset: number, length: number): void {
    this.#check(offset, length);
    if (this.readOnly) refuseChange(NAME);
  }

  #chunk(index: number): Uint8Array {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      try {
        chunk = new Uint8Array(CHUNK);
      } catch (cause) {
        throw diskError("ENOMEM", `${NAME}: no memory for ${CHUNK} bytes`, cause);
      }
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  #zero(offset: number, length: number): void {
    const end = offset + length;
    for (const index of this.#allocated(offset, end)) {
      const chunk = this.#chunk(index);
      const from = Math.max(0, offset - index * CHUNK);
      const to = Math.min(CHUNK, end - index * CHUNK);
      chunk.fill(0, from, to);
      if (!this.#fixed && isZero(chunk)) this.#chunks.delete(index);
    }
  }

  /** Numbers of the chunks there are in `[offset, end)`, in order; takes no longer for a range that has few. */
  #allocated(offset: number, end: number): number[] {
    const first = Math.floor(offset / CHUNK);
    const last = Math.ceil(end / CHUNK);
    const found: number[] = [];
    if (last - first > this.#chunks.size) {
      for (const index of this.#chunks.keys()) if (index >= first && index < last) found.push(index);
      return found.sort((left, right) => left - right);
    }
    if (offset === end) return found;
    for (let index = first; index < last; index++) if (this.#chunks.has(index)) found.push(index);
    return found;
  }
}

function isZero(chunk: Uint8Array): boolean {
  return new Float64Array(chunk.buffer, chunk.byteOffset, chunk.length >> 3).every((value) => value === 0);
}
