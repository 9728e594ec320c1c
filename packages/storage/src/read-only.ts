/**
 * A read-only view of a disk.
 *
 * @packageDocumentation
 */
import type { BlockBackend, Extent, MaybePromise } from "@isomorph/interface";
import { checkRange, refuseChange, refuseClosed } from "./block-range.ts";

const NAME = "read-only view";

/** How {@link readOnlyView} treats the disk below. */
export interface ReadOnlyViewOptions {
  /** Leave the disk open when the view is closed, so that several views can share it. Default false. */
  readonly keepOpen?: boolean;
}

/** Shows `backend` as a disk that cannot be changed. */
export function readOnlyView(backend: BlockBackend, options: ReadOnlyViewOptions = {}): BlockBackend {
  return new ReadOnlyView(backend, options.keepOpen ?? false);
}

class ReadOnlyView implements BlockBackend {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean = true;
  readonly copiesAtOnce: boolean;
  readonly #below: BlockBackend;
  readonly #keepOpen: boolean;
  #closed = false;
  #closing: MaybePromise<void> = undefined;

  constructor(below: BlockBackend, keepOpen: boolean) {
    this.size = below.size;
    this.blockSize = below.blockSize;
    this.copiesAtOnce = below.copiesAtOnce === true;
    this.#below = below;
    this.#keepOpen = keepOpen;
  }

  read(offset: number, target: Uint8Array): MaybePromise<void> {
    this.#check(offset, target.length);
    return this.#below.read(offset, target);
  }

  write(offset: number, source: Uint8Array): never {
    this.#check(offset, source.length);
    refuseChange(NAME);
  }

  /** Completes at once: nothing was written through the view. */
  flush(): void {
    if (this.#closed) refuseClosed(NAME);
  }

  discard(offset: number, length: number): never {
    this.#check(offset, length);
    refuseChange(NAME);
  }

  writeZeroes(offset: number, length: number): never {
    this.#check(offset, length);
    refuseChange(NAME);
  }

  extents(offset: number, length: number): MaybePromise<readonly Extent[]> {
    this.#check(offset, length);
    return this.#below.extents(offset, length);
  }

  close(): MaybePromise<void> {
    if (!this.#closed) {
      this.#closed = true;
      if (!this.#keepOpen) this.#closing = this.#below.close();
    }
    return this.#closing;
  }

  #check(offset: number, length: number): void {
    if (this.#closed) refuseClosed(NAME);
    checkRange(this, offset, length);
  }
}
