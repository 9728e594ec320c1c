/**
 * A disk image on a web server.
 *
 * @packageDocumentation
 */
import type { BlockBackend, Extent, MaybePromise } from "@isomorph/interface";
import { checkGeometry, checkRange, refuseChange, refuseClosed } from "./block-range.ts";
import { diskError } from "./disk-error.ts";
import { type FetchedRange, fetchRange } from "./http-range.ts";
import { Parts } from "./settle.ts";

const NAME = "HTTP disk";

/** How {@link httpDisk} reads. */
export interface HttpDiskOptions {
  /** Bytes in a block: a power of two, 512 (default) or more. */
  readonly blockSize?: number;
  /** Bytes that are asked for at once at least: a power of two, 64 KiB or more. Default 256 KiB. */
  readonly chunkSize?: number;
  /** Bytes of the image that are kept in memory. Default 64 MiB. */
  readonly cacheSize?: number;
  /** How often a request that failed is made again before the read fails. Default 3. */
  readonly retries?: number;
  /** Makes the requests. Default: the host's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Aborts `httpDisk`; a disk that is open is ended by its `close`. */
  readonly signal?: AbortSignal;
}

/** Counters of an {@link HttpDisk} since it was opened. */
export interface HttpDiskStats {
  /** Requests that were answered. */
  readonly requests: number;
  /** Bytes of the image that came with them. */
  readonly fetchedBytes: number;
  /** Bytes of the image that are in memory. */
  readonly cachedBytes: number;
}

/** A read-only disk whose image lies on a web server. */
export interface HttpDisk extends BlockBackend {
  stats(): HttpDiskStats;
}

/**
 * Opens a raw image by its address. What is read comes by range requests (RFC 9110, section 14) and stays in a cache;
 * what is in the cache is read at once. The disk is read-only: put an `overlay` over it to write.
 *
 * Rejects with an Error whose `code` is `ERR_DISK_RANGES` where the server cannot send ranges, `ERR_DISK_SIZE` where the
 * image is not a whole number of blocks, or `EIO` where it cannot be reached; with the signal's reason when that is
 * aborted. Later a read fails with `EIO`: also when the image on the server is no longer the one that was opened.
 *
 * @throws RangeError on sizes that are not possible.
 */
export async function httpDisk(url: string | URL, options: HttpDiskOptions = {}): Promise<HttpDisk> {
  const { blockSize = 512, chunkSize = 256 << 10, cacheSize = 64 << 20, retries = 3, signal } = options;
  checkGeometry(blockSize, blockSize);
  if (!Number.isInteger(Math.log2(chunkSize)) || chunkSize < Math.max(blockSize, 65536)) {
    throw new RangeError(
      `chunk size ${chunkSize} is not a power of two of 64 KiB or more, and of whole blocks`,
    );
  }
  if (!(cacheSize >= chunkSize)) throw new RangeError(`a cache of ${cacheSize} bytes does not hold a chunk`);
  if (!Number.isInteger(retries) || retries < 0)
    throw new RangeError(`retries ${retries} is not a whole number`);
  const source = { url: String(url), retries, fetch: options.fetch ?? fetch };
  signal?.throwIfAborted();
  const first = await fetchRange(source, 0, chunkSize, signal);
  if (first.size === 0 || first.size % blockSize !== 0) {
    const text = `${source.url} has ${first.size} bytes, which are not whole blocks of ${blockSize} bytes`;
    throw diskError("ERR_DISK_SIZE", text);
  }
  return new CachedImage(source, first, { blockSize, chunkSize, cacheSize });
}

type Source = Parameters<typeof fetchRange>[0];

/** Chunks that one request asks for at most. */
const RUN = 8;

class CachedImage implements HttpDisk {
  readonly size: number;
  readonly blockSize: number;
  readonly readOnly: boolean = true;
  readonly #source: Source;
  readonly #validator: string | undefined;
  readonly #chunkSize: number;
  readonly #capacity: number;
  /** Chunks by number, the one that was used last at the end. */
  readonly #chunks = new Map<number, Uint8Array>();
  /** Requests under way, by the numbers of the chunks that they bring. */
  readonly #pending = new Map<number, Promise<Uint8Array>>();
  readonly #aborter = new AbortController();
  #requests = 0;
  #fetchedBytes = 0;

  constructor(
    source: Source,
    first: FetchedRange,
    sizes: { readonly blockSize: number; readonly chunkSize: number; readonly cacheSize: number },
  ) {
    this.size = first.size;
    this.blockSize = sizes.blockSize;
    this.#source = source;
    this.#validator = first.validator;
    this.#chunkSize = sizes.chunkSize;
    this.#capacity = Math.floor(sizes.cacheSize / sizes.chunkSize);
    this.#keep(0, first.bytes);
  }

  read(offset: number, target: Uint8Array): MaybePromise<void> {
    this.#check(offset, target.length);
    const chunkSize = this.#chunkSize;
    const end = offset + target.length;
    const parts = new Parts();
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / chunkSize);
      const start = at - index * chunkSize;
      const length = Math.min(chunkSize - start, end - at);
      const part = target.subarray(at - offset, at - offset + length);
      parts.run(() => this.#readChunk(index, start, part, Math.ceil(end / chunkSize)));
      at += length;
    }
    return parts.end();
  }

  write(offset: number, source: Uint8Array): never {
    this.#check(offset, source.length);
    refuseChange(NAME);
  }

  /** Completes at once: there is nothing to store. */
  flush(): void {
    if (this.#isClosed) refuseClosed(NAME);
  }

  discard(offset: number, length: number): never {
    this.#check(offset, length);
    refuseChange(NAME);
  }

  writeZeroes(offset: number, length: number): never {
    this.#check(offset, length);
    refuseChange(NAME);
  }

  extents(offset: number, length: number): readonly Extent[] {
    this.#check(offset, length);
    return length === 0 ? [] : [{ offset, length, kind: "data" }];
  }

  /** Reads that are under way fail with `EBADF`. */
  close(): void {
    this.#aborter.abort(diskError("EBADF", `${NAME} is closed`));
    this.#chunks.clear();
  }

  stats(): HttpDiskStats {
    let cachedBytes = 0;
    for (const chunk of this.#chunks.values()) cachedBytes += chunk.length;
    return { requests: this.#requests, fetchedBytes: this.#fetchedBytes, cachedBytes };
  }

  get #isClosed(): boolean {
    return this.#aborter.signal.aborted;
  }

  #check(offset: number, length: number): void {
    if (this.#isClosed) refuseClosed(NAME);
    checkRange(this, offset, length);
  }

  /** Copies from one chunk. `last` is where the read ends, in chunks: one request brings what else is missing. */
  #readChunk(index: number, start: number, target: Uint8Array, last: number): MaybePromise<void> {
    const chunk = this.#chunks.get(index);
    if (chunk !== undefined) {
      this.#chunks.delete(index);
      this.#chunks.set(index, chunk);
      target.set(chunk.subarray(start, start + target.length));
      return;
    }
    return this.#fetchChunk(index, last).then((bytes) => {
      target.set(bytes.subarray(start, start + target.length));
    });
  }

  #fetchChunk(index: number, last: number): Promise<Uint8Array> {
    const known = this.#pending.get(index);
    if (known !== undefined) return known;
    const wanted: Promise<Uint8Array>[] = [];
    let end = index + 1;
    const limit = Math.min(last, index + RUN);
    while (end < limit && !this.#chunks.has(end) && !this.#pending.has(end)) end++;
    const run = this.#fetchRun(index, end);
    for (let i = index; i < end; i++) {
      const chunk = run
        .then((chunks) => chunks[i - index] as Uint8Array)
        .finally(() => this.#pending.delete(i));
      // A failure is for those who read the chunk, if there still are any.
      chunk.catch(() => undefined);
      this.#pending.set(i, chunk);
      wanted.push(chunk);
    }
    return wanted[0] as Promise<Uint8Array>;
  }

  async #fetchRun(first: number, end: number): Promise<Uint8Array[]> {
    const offset = first * this.#chunkSize;
    const length = Math.min(end * this.#chunkSize, this.size) - offset;
    const { bytes, size, validator } = await fetchRange(this.#source, offset, length, this.#aborter.signal);
    this.#requests++;
    this.#fetchedBytes += bytes.length;
    if (size !== this.size || validator !== this.#validator) {
      throw diskError("EIO", `${this.#source.url} has changed since it was opened`);
    }
    const chunks: Uint8Array[] = [];
    for (let i = first; i < end; i++) {
      const at = (i - first) * this.#chunkSize;
      // A copy: the cache must not keep the whole run for one chunk of it.
      const chunk = bytes.slice(at, at + this.#chunkSize);
      chunks.push(chunk);
      this.#keep(i, chunk);
    }
    return chunks;
  }

  #keep(index: number, chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.#chunks.set(index, chunk);
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= this.#capacity) return;
      this.#chunks.delete(oldest);
    }
  }
}
