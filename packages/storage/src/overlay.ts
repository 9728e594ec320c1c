/**
 * A copy-on-write layer over a disk that is never written.
 *
 * @packageDocumentation
 */
import type {
  BlockBackend,
  Extent,
  MaybePromise,
  WriteOptions,
  WriteZeroesOptions,
} from "@isomorph/interface";
import { BlockBitmap } from "./block-bitmap.ts";
import { checkGeometry, checkRange, refuseClosed } from "./block-range.ts";
import { ExtentList } from "./extents.ts";
import { memoryDisk } from "./memory.ts";
import { isPending, Parts } from "./settle.ts";

const NAME = "overlay";

/** Where {@link overlay} keeps what is written. */
export interface OverlayOptions {
  /**
   * Holds the changed blocks, at the offsets they have in the overlay. What it held before does not show.
   * Default: a sparse memory disk.
   */
  readonly top?: BlockBackend;
}

/** Counters of an {@link Overlay}, in bytes since it was made. */
export interface OverlayStats {
  /** Bytes of the disk that the top holds; the base shows through everywhere else. */
  readonly ownedBytes: number;
  readonly baseReadBytes: number;
  readonly topReadBytes: number;
  readonly writtenBytes: number;
}

/**
 * A copy-on-write disk. Which blocks the top holds is known in memory only: the changes end with the overlay, even
 * on a durable top.
 */
export interface Overlay extends BlockBackend {
  /** Passes to the top, so that its order of writes and flushes is the overlay's. */
  flush(): MaybePromise<void>;
  /** Frees blocks in the top. Blocks never written keep showing the base: discarded data does not come back. */
  discard(offset: number, length: number): MaybePromise<void>;
  /** Closes the top and the base. To share a base, give each overlay a `readOnlyView(base, { keepOpen: true })`. */
  close(): MaybePromise<void>;
  stats(): OverlayStats;
}

/**
 * Lays a writable disk over `base`, of which it only calls `read`, `extents` and `close`. Blocks are the larger of
 * the two disks' blocks. Every write covers whole blocks, so nothing is ever copied up.
 *
 * @throws RangeError when the top is read-only or smaller than the base, or its blocks do not divide the base.
 */
export function overlay(base: BlockBackend, options: OverlayOptions = {}): Overlay {
  const top = options.top ?? memoryDisk({ size: base.size, blockSize: base.blockSize });
  if (top.readOnly) throw new RangeError("the top of an overlay is read-only");
  if (top.size < base.size) {
    throw new RangeError(`the top of an overlay has ${top.size} bytes, its base ${base.size}`);
  }
  return new CopyOnWrite(base, top);
}

class CopyOnWrite implements Overlay {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean = false;
  readonly copiesAtOnce: boolean;
  readonly #base: BlockBackend;
  readonly #top: BlockBackend;
  /** Blocks that are read from the top. Never shrinks: a block given back would show old data of the base. */
  readonly #owned = new BlockBitmap();
  #baseReadBytes = 0;
  #topReadBytes = 0;
  #writtenBytes = 0;
  #closed = false;
  #closing: MaybePromise<void> = undefined;

  constructor(base: BlockBackend, top: BlockBackend) {
    this.size = base.size;
    this.blockSize = Math.max(base.blockSize, top.blockSize);
    checkGeometry(this.size, this.blockSize);
    this.copiesAtOnce = base.copiesAtOnce === true && top.copiesAtOnce === true;
    this.#base = base;
    this.#top = top;
  }

  read(offset: number, target: Uint8Array): MaybePromise<void> {
    this.#check(offset, target.length);
    if (target.length === 0) return;
    const end = offset + target.length;
    const stop = this.#runEnd(offset, end);
    if (stop === end) return this.#readRun(offset, target);
    const parts = new Parts();
    for (let at = offset, to = stop; at < end; ) {
      const start = at;
      const run = target.subarray(start - offset, to - offset);
      parts.run(() => this.#readRun(start, run));
      at = to;
      if (at < end) to = this.#runEnd(at, end);
    }
    return parts.end();
  }

  write(offset: number, source: Uint8Array, options?: WriteOptions): MaybePromise<void> {
    this.#check(offset, source.length);
    return this.#own(offset, source.length, this.#top.write(offset, source, options));
  }

  flush(): MaybePromise<void> {
    if (this.#closed) refuseClosed(NAME);
    return this.#top.flush();
  }

  discard(offset: number, length: number): MaybePromise<void> {
    this.#check(offset, length);
    const parts = new Parts();
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const start = at;
      const to = this.#runEnd(at, end);
      if (this.#owned.has(start / this.blockSize)) parts.run(() => this.#top.discard(start, to - start));
      at = to;
    }
    return parts.end();
  }

  writeZeroes(offset: number, length: number, options?: WriteZeroesOptions): MaybePromise<void> {
    this.#check(offset, length);
    return this.#own(offset, length, this.#top.writeZeroes(offset, length, options));
  }

  extents(offset: number, length: number): MaybePromise<readonly Extent[]> {
    this.#check(offset, length);
    const runs: (readonly Extent[])[] = [];
    const parts = new Parts();
    const end = offset + length;
    for (let at = offset, index = 0; at < end; index++) {
      const start = at;
      const to = this.#runEnd(at, end);
      const slot = index;
      parts.run(() => {
        const found = this.#extentsOfRun(start, to - start);
        if (!isPending(found)) {
          runs[slot] = found;
          return;
        }
        return found.then((extents) => {
          runs[slot] = extents;
        });
      });
      at = to;
    }
    const done = parts.end();
    return isPending(done) ? done.then(() => joined(runs)) : joined(runs);
  }

  close(): MaybePromise<void> {
    if (!this.#closed) {
      this.#closed = true;
      const parts = new Parts();
      parts.run(() => this.#top.close());
      parts.run(() => this.#base.close());
      this.#closing = parts.end();
    }
    return this.#closing;
  }

  stats(): OverlayStats {
    return {
      ownedBytes: this.#owned.count * this.blockSize,
      baseReadBytes: this.#baseReadBytes,
      topReadBytes: this.#topReadBytes,
      writtenBytes: this.#writtenBytes,
    };
  }

  #check(offset: number, length: number): void {
    if (this.#closed) refuseClosed(NAME);
    checkRange(this, offset, length);
  }

  /** Where the run of blocks that lie in one layer, from `offset` on, ends. */
  #runEnd(offset: number, end: number): number {
    return this.#owned.runEnd(offset / this.blockSize, end / this.blockSize) * this.blockSize;
  }

  #readRun(offset: number, target: Uint8Array): MaybePromise<void> {
    if (this.#owned.has(offset / this.blockSize)) {
      this.#topReadBytes += target.length;
      return this.#top.read(offset, target);
    }
    this.#baseReadBytes += target.length;
    return this.#base.read(offset, target);
  }

  #extentsOfRun(offset: number, length: number): MaybePromise<readonly Extent[]> {
    if (!this.#owned.has(offset / this.blockSize)) return this.#base.extents(offset, length);
    const extents = this.#top.extents(offset, length);
    return isPending(extents) ? extents.then(shownByTop) : shownByTop(extents);
  }

  /** The blocks are the top's once `done`: a write that fails leaves the base showing. */
  #own(offset: number, length: number, done: MaybePromise<void>): MaybePromise<void> {
    if (isPending(done)) return done.then(() => this.#take(offset, length));
    this.#take(offset, length);
  }

  #take(offset: number, length: number): void {
    this.#owned.add(offset / this.blockSize, (offset + length) / this.blockSize);
    this.#writtenBytes += length;
  }
}

/** A hole in the top hides the base: it is zeroes, not absence. */
function shownByTop(extents: readonly Extent[]): readonly Extent[] {
  return extents.map((extent) => (extent.kind === "hole" ? { ...extent, kind: "zero" } : extent));
}

function joined(runs: readonly (readonly Extent[])[]): readonly Extent[] {
  const list = new ExtentList();
  for (const run of runs) for (const extent of run) list.add(extent.offset, extent.length, extent.kind);
  return list.list();
}
