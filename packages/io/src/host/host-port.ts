import type { BytePort } from "./byte-port.ts";
import { InputStream, OutputStream } from "./byte-streams.ts";
import { InputBuffer } from "./input-buffer.ts";

const BATCH = 4096;

/** What a {@link HostPort} is made of. */
export interface HostPortOptions {
  /** Bytes from the host that wait for the guest at most. */
  readonly inputCapacity: number;
  /** Bytes from the guest that wait for the reader of `readable` at most. */
  readonly outputLimit: number;
  /** The input buffer has bytes. */
  readonly oninput: () => void;
  /** The reader of `readable` has room again. */
  readonly onroom: () => void;
}

/** The host's end of a character device: buffers, batches and streams behind a {@link BytePort}. */
export class HostPort implements BytePort {
  ondrain: (() => void) | undefined = undefined;
  ontransmit: ((bytes: Uint8Array) => void) | undefined = undefined;
  readonly input: InputBuffer;
  /** Bytes that went nowhere, as nobody listened or the reader was too slow. */
  dropped = 0;
  readonly #options: HostPortOptions;
  readonly #batch: Uint8Array = new Uint8Array(BATCH);
  #batched = 0;
  #writing = false;
  /** The last write was cut short. */
  #short = false;
  #scheduled = false;
  #output: OutputStream | undefined;
  #inputStream: InputStream | undefined;
  #closed = false;

  constructor(options: HostPortOptions) {
    if (!(options.outputLimit >= 1))
      throw new RangeError(`output limit of ${options.outputLimit} bytes is below 1`);
    this.#options = options;
    this.input = new InputBuffer(options.inputCapacity);
  }

  write(bytes: Uint8Array): number {
    this.#writing = true;
    let taken = 0;
    while (taken < bytes.length) {
      const count = this.input.write(bytes.subarray(taken));
      if (count === 0) break;
      taken += count;
      // The device may take some at once, which makes room for more.
      this.#options.oninput();
    }
    this.#short = taken < bytes.length;
    this.#writing = false;
    return taken;
  }

  get readable(): ReadableStream<Uint8Array> {
    if (this.#output === undefined) {
      this.#output = new OutputStream(this.#options.outputLimit, this.#options.onroom);
      if (this.#closed) this.#output.close();
    }
    return this.#output.stream;
  }

  get writable(): WritableStream<Uint8Array> {
    this.#inputStream ??= new InputStream((bytes) => this.write(bytes));
    return this.#inputStream.stream;
  }

  /** Bytes that the host takes now; Infinity when it takes any number, or when they go nowhere anyway. */
  get room(): number {
    if (this.ontransmit !== undefined || this.#output === undefined) return Number.POSITIVE_INFINITY;
    return this.#output.room;
  }

  /** Sends one byte with the next batch: when that is full, at {@link flush}, or at the end of the current task. */
  emitByte(byte: number): void {
    this.#batch[this.#batched++] = byte;
    if (this.#batched === BATCH) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }

  /** Sends bytes now. The array is the receiver's to keep. */
  emit(bytes: Uint8Array): void {
    this.flush();
    this.#deliver(bytes);
  }

  flush(): void {
    if (this.#batched === 0) return;
    const bytes = this.#batch.slice(0, this.#batched);
    this.#batched = 0;
    this.#deliver(bytes);
  }

  /** The guest took bytes out of {@link input}. */
  consumed(): void {
    if (!this.#short || this.#writing || this.input.length > this.input.capacity / 2) return;
    this.#short = false;
    this.#inputStream?.resume();
    this.ondrain?.();
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#output?.close();
  }

  #deliver(bytes: Uint8Array): void {
    if (this.ontransmit !== undefined) this.ontransmit(bytes);
    else if (this.#output !== undefined && !this.#closed && this.#output.room > 0) this.#output.push(bytes);
    else this.dropped += bytes.length;
  }
}
