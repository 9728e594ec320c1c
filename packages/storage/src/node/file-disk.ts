import type {
  BlockBackend,
  Extent,
  MaybePromise,
  WriteOptions,
  WriteZeroesOptions,
} from "@isomorph/interface";
import { checkRange, refuseChange, refuseClosed } from "../block-range.ts";
import { codeOf, diskError } from "../disk-error.ts";
import { isPending } from "../settle.ts";
import { GroupCommit } from "./group-commit.ts";
import type { HostFile } from "./host-file.ts";

/** Bytes in one call to the host: below the 2^31 - 1 that Node takes. */
const LARGEST_CALL = 2 ** 30;
/** Bytes zeroed at a time. */
const ZERO_PIECE = 0x4_0000;
/** Bytes zeroed between two turns of the event loop: some milliseconds. */
const ZERO_SLICE = 0x40_0000;
const ZEROES = new Uint8Array(ZERO_PIECE);

/** Counters of a {@link FileDisk}. */
export interface FileDiskStats {
  readonly reads: number;
  readonly writes: number;
  readonly flushes: number;
  /** Calls to the host that made data durable: fewer than `flushes` when those came together. */
  readonly syncs: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/**
 * A disk in a file. Reads and writes complete at once, through the host's page cache; `flush`, `fua` and zeroing more
 * than 4 MiB give a promise, so that the event loop goes on meanwhile.
 *
 * Failures carry the host's code (`EIO`, `ENOSPC`, ...). After a flush failed the host may have lost what was written
 * before, so every later flush fails too.
 */
export interface FileDisk extends BlockBackend {
  /** The file's path, links resolved. */
  readonly path: string;
  read(offset: number, target: Uint8Array): void;
  /** Does nothing: Node offers no way to give back parts of a file. */
  discard(offset: number, length: number): void;
  /** One extent of data, always. */
  extents(offset: number, length: number): readonly Extent[];
  close(): Promise<void>;
  stats(): FileDiskStats;
}

/** What a {@link BlockFile} is made of. */
export interface BlockFileOptions {
  readonly path: string;
  readonly file: HostFile;
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  /** Called once the file is closed. */
  readonly release: () => void;
}

/** A disk whose content is a file's. */
export class BlockFile implements FileDisk {
  readonly path: string;
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly copiesAtOnce: boolean = true;
  readonly #file: HostFile;
  readonly #release: () => void;
  readonly #commit: GroupCommit;
  /** Calls that have not completed; `close` waits for them. */
  readonly #inFlight = new Set<Promise<void>>();
  #scratch: Uint8Array | undefined;
  #closing: Promise<void> | undefined;
  #reads = 0;
  #writes = 0;
  #flushes = 0;
  #readBytes = 0;
  #writtenBytes = 0;

  constructor(options: BlockFileOptions) {
    this.path = options.path;
    this.size = options.size;
    this.blockSize = options.blockSize;
    this.readOnly = options.readOnly;
    this.#file = options.file;
    this.#release = options.release;
    this.#commit = new GroupCommit((done) => {
      this.#file.sync((cause) => done(cause === null ? null : this.#failed("flush", cause)));
    });
  }

  read(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    this.#fill(offset, target, target.length);
    this.#reads++;
    this.#readBytes += target.length;
  }

  write(offset: number, source: Uint8Array, options?: WriteOptions): MaybePromise<void> {
    this.#checkChange(offset, source.length);
    this.#store(offset, source, source.length);
    this.#writes++;
    this.#writtenBytes += source.length;
    if (options?.fua === true) return this.#track(this.#commit.flush());
  }

  flush(): MaybePromise<void> {
    if (this.#closing !== undefined) refuseClosed(this.path);
    this.#flushes++;
    if (!this.readOnly) return this.#track(this.#commit.flush());
  }

  discard(offset: number, length: number): void {
    // Node offers no way to punch a hole, and zeroing would cost what the advice is meant to save.
    this.#checkChange(offset, length);
  }

  writeZeroes(offset: number, length: number, options?: WriteZeroesOptions): MaybePromise<void> {
    this.#checkChange(offset, length);
    const end = offset + length;
    if (length > ZERO_SLICE) return this.#track(this.#zeroSlices(offset, end, options));
    this.#zero(offset, end, options?.unmap === true);
    if (options?.fua === true) return this.#track(this.#commit.flush());
  }

  /** One extent of data: Node offers no way to ask for holes. */
  extents(offset: number, length: number): readonly Extent[] {
    this.#check(offset, length);
    return length === 0 ? [] : [{ offset, length, kind: "data" }];
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  stats(): FileDiskStats {
    return {
      reads: this.#reads,
      writes: this.#writes,
      flushes: this.#flushes,
      syncs: this.#commit.syncs,
      readBytes: this.#readBytes,
      writtenBytes: this.#writtenBytes,
    };
  }

  #check(offset: number, length: number): void {
    if (this.#closing !== undefined) refuseClosed(this.path);
    checkRange(this, offset, length);
  }

  #checkChange(offset: number, length: number): void {
    this.#check(offset, length);
    if (this.readOnly) refuseChange(this.path);
  }

  /** Keeps a call that has not completed where `close` finds it. */
  #track(call: MaybePromise<void>): MaybePromise<void> {
    if (!isPending(call)) return;
    this.#inFlight.add(call);
    const done = (): void => {
      this.#inFlight.delete(call);
    };
    call.then(done, done);
    return call;
  }

  #fill(offset: number, target: Uint8Array, length: number): void {
    for (let done = 0; done < length; ) {
      let count: number;
      try {
        count = this.#file.read(target, done, Math.min(length - done, LARGEST_CALL), offset + done);
      } catch (cause) {
        throw this.#failed(`read of ${length} bytes at ${offset}`, cause);
      }
      if (count === 0) {
        throw diskError("EIO", `${this.path}: the file ends at byte ${offset + done}, inside the disk`);
      }
      done += count;
    }
  }

  #store(offset: number, source: Uint8Array, length: number): void {
    try {
      for (let done = 0; done < length; ) {
        done += this.#file.write(source, done, Math.min(length - done, LARGEST_CALL), offset + done);
      }
    } catch (cause) {
      throw this.#failed(`write of ${length} bytes at ${offset}`, cause);
    } finally {
      this.#commit.wrote();
    }
  }

  /** Zeroes a range. With `sparse`, what reads as zeroes already is left, so that holes stay holes. */
  #zero(from: number, to: number, sparse: boolean): void {
    for (let at = from; at < to; at += ZERO_PIECE) {
      const length = Math.min(ZERO_PIECE, to - at);
      if (!sparse || !this.#readsAsZeroes(at, length)) this.#store(at, ZEROES, length);
    }
    this.#writes++;
    this.#writtenBytes += to - from;
  }

  async #zeroSlices(from: number, to: number, options: WriteZeroesOptions | undefined): Promise<void> {
    for (let at = from; at < to; at += ZERO_SLICE) {
      if (at > from) await new Promise(setImmediate);
      this.#zero(at, Math.min(at + ZERO_SLICE, to), options?.unmap === true);
    }
    if (options?.fua === true) await this.#commit.flush();
  }

  #readsAsZeroes(offset: number, length: number): boolean {
    this.#scratch ??= new Uint8Array(ZERO_PIECE);
    this.#fill(offset, this.#scratch, length);
    return Buffer.compare(this.#scratch.subarray(0, length), ZEROES.subarray(0, length)) === 0;
  }

  async #finish(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
    try {
      if (!this.readOnly) await this.#commit.flush();
    } finally {
      try {
        this.#file.close();
      } finally {
        this.#release();
      }
    }
  }

  #failed(what: string, cause: unknown): Error {
    return diskError(codeOf(cause), `${this.path}: ${what} failed: ${(cause as Error).message}`, cause);
  }
}
