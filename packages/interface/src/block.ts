import type { MaybePromise } from "./maybe-promise.ts";

/** What a range of a disk holds. */
export interface Extent {
  /** Byte offset of the first byte. */
  readonly offset: number;
  /** Bytes, above zero. */
  readonly length: number;
  /** `data`: allocated; `zero`: reads as zeroes, allocated or not; `hole`: not allocated here, reads as zeroes. */
  readonly kind: "data" | "zero" | "hole";
}

/** How a write is to be carried out. */
export interface WriteOptions {
  /** Force unit access: the range is on stable storage when the write completes. */
  readonly fua?: boolean;
}

/** How zeroes are to be written. */
export interface WriteZeroesOptions extends WriteOptions {
  /** The range may be deallocated, so long as it reads as zeroes. */
  readonly unmap?: boolean;
}

/**
 * A disk, seen from the device or server that serves it.
 *
 * Offsets and lengths are bytes, multiples of {@link blockSize}, and lie within {@link size}; a call that breaks
 * this throws a RangeError (or rejects with one) and changes nothing. Short reads and short writes are not possible:
 * a call transfers everything or fails with an Error that has a stable `code` (`EIO`, `ENOSPC`, `EROFS`, ...).
 * Calls may overlap in time. Two overlapping writes to the same bytes leave either one's bytes in each block.
 * A buffer belongs to the backend until the call completes. Empty ranges are allowed and change nothing.
 * A wrapper owns what it wraps and closes it.
 */
export interface BlockBackend {
  /** Bytes in the disk. A multiple of {@link blockSize}. */
  readonly size: number;
  /** Smallest unit of transfer in bytes: a power of two, 512 or more. */
  readonly blockSize: number;
  /** When true every call that would change the disk fails with code `EROFS`. */
  readonly readOnly: boolean;
  /**
   * When true {@link read} and {@link write} are done with their buffer when they return; a promise that they give is
   * about durability only. A device then hands out guest memory itself; without it, buffers of its own, since a guest
   * may reset the device and use its memory otherwise while a call is under way.
   */
  readonly copiesAtOnce?: boolean;
  /** Fills `target` from `offset`. */
  read(offset: number, target: Uint8Array): MaybePromise<void>;
  /** Stores `source` at `offset`. Not durable before {@link flush}, unless `fua`. */
  write(offset: number, source: Uint8Array, options?: WriteOptions): MaybePromise<void>;
  /**
   * Makes every write that completed before this call durable. It is never a no-op on a durable medium. After one
   * failure every later flush fails too: what was lost cannot be told.
   */
  flush(): MaybePromise<void>;
  /** Advice that the range is no longer needed. What it reads as afterwards is either the old bytes or zeroes. */
  discard(offset: number, length: number): MaybePromise<void>;
  /** Makes the range read as zeroes. */
  writeZeroes(offset: number, length: number, options?: WriteZeroesOptions): MaybePromise<void>;
  /** What `[offset, offset + length)` holds: sorted, without gaps or overlaps, covering exactly that range. */
  extents(offset: number, length: number): MaybePromise<readonly Extent[]>;
  /** Waits for calls in flight, flushes and releases everything. Idempotent. Calls after it fail with code `EBADF`. */
  close(): MaybePromise<void>;
}
