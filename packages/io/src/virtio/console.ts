import type {
  DeviceFactory,
  DeviceSlot,
  SnapshotState,
  VirtioActivation,
  VirtioChain,
  VirtioDevice,
  VirtioSegment,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import type { BytePort } from "../host/byte-port.ts";
import { HostPort } from "../host/host-port.ts";
import { bytesField, checkVersion, integerField } from "../snapshot.ts";
import { readConfig } from "./config-bytes.ts";
import { MAX_AT_ONCE, MAX_CHAIN, MAX_CHUNK } from "./transmit-limits.ts";

/** Feature bits (VIRTIO 1.2, section 5.3.3). */
const VIRTIO_CONSOLE_F_SIZE = 1n << 0n;
const VIRTIO_CONSOLE_F_EMERG_WRITE = 1n << 2n;
const RECEIVE = 0;
const TRANSMIT = 1;
const EMERGENCY = 8;

/** How a {@link VirtioConsole} is set up. */
export interface VirtioConsoleOptions {
  /** Columns of the terminal, 1 to 65535; 80 by default. */
  readonly columns?: number;
  /** Rows of the terminal, 1 to 65535; 24 by default. */
  readonly rows?: number;
  /** Bytes from the host that wait for the guest at most; 65536 by default. */
  readonly inputCapacity?: number;
  /** Bytes that wait for the reader of `readable` before the guest has to; 1 MiB by default. */
  readonly outputLimit?: number;
}

/**
 * The virtio console (VIRTIO 1.2, section 5.3) with its port 0, the size of the terminal, and emergency writes.
 *
 * While the reader of `readable` is behind, the guest's output stays in its queue: the guest waits, nothing is
 * dropped. Without `ontransmit` and `readable` output is dropped and counted, as is what a chain has beyond 1 MiB.
 */
export class VirtioConsole implements VirtioDevice, BytePort {
  readonly bus = "virtio";
  readonly id: number = 3;
  readonly features: bigint = VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_EMERG_WRITE;
  readonly queueSizes: readonly number[] = [128, 128];
  readonly config: VirtioDevice["config"];
  readonly #host: HostPort;
  readonly #data: DataView = new DataView(new ArrayBuffer(12));
  #activation: VirtioActivation | undefined;
  #transmitted = 0;
  #received = 0;
  #dropped = 0;
  /** The timer of a queue that waits for the event loop's next turn. */
  #postponed: ReturnType<typeof setTimeout> | undefined;

  constructor(options: VirtioConsoleOptions = {}) {
    this.#host = new HostPort({
      inputCapacity: options.inputCapacity ?? 65536,
      outputLimit: options.outputLimit ?? 1 << 20,
      oninput: () => this.#receive(),
      onroom: () => this.#transmit(),
    });
    this.#setSize(options.columns ?? 80, options.rows ?? 24);
    this.#data.setUint32(4, 1, true);
    this.config = {
      size: 12,
      read: (offset, size) => readConfig(this.#data, offset, size),
      write: (offset, _size, value) => {
        if (offset !== EMERGENCY) return;
        this.#transmitted++;
        this.#host.emitByte(value & 0xff);
      },
    };
  }

  get ondrain(): (() => void) | undefined {
    return this.#host.ondrain;
  }

  set ondrain(callback: (() => void) | undefined) {
    this.#host.ondrain = callback;
  }

  get ontransmit(): ((bytes: Uint8Array) => void) | undefined {
    return this.#host.ontransmit;
  }

  set ontransmit(callback: ((bytes: Uint8Array) => void) | undefined) {
    this.#host.ontransmit = callback;
    this.#transmit();
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#host.readable;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#host.writable;
  }

  write(bytes: Uint8Array): number {
    return this.#host.write(bytes);
  }

  flush(): void {
    this.#host.flush();
  }

  close(): void {
    clearTimeout(this.#postponed);
    this.#postponed = undefined;
    this.#host.close();
  }

  /**
   * The terminal has a new size.
   *
   * @throws RangeError when one of them is not an integer from 1 to 65535.
   */
  resize(columns: number, rows: number): void {
    this.#setSize(columns, rows);
    if (((this.#activation?.features ?? 0n) & VIRTIO_CONSOLE_F_SIZE) !== 0n)
      this.#activation?.configChanged();
  }

  activate(activation: VirtioActivation): void {
    this.#activation = activation;
  }

  notify(index: number): void {
    if (index === RECEIVE) this.#receive();
    else if (index === TRANSMIT) this.#transmit();
  }

  /** Input that the guest has not read stays: it is the host's, and the next driver gets it. */
  reset(): void {
    clearTimeout(this.#postponed);
    this.#postponed = undefined;
    this.#activation = undefined;
  }

  save(): SnapshotState {
    this.#host.flush();
    return {
      version: 1,
      columns: this.#data.getUint16(0, true),
      rows: this.#data.getUint16(2, true),
      input: this.#host.input.peekAll(),
    };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtioConsole");
    const input = bytesField(state, "input", Number.MAX_SAFE_INTEGER);
    this.#setSize(integerField(state, "columns", 0xffff, 1), integerField(state, "rows", 0xffff, 1));
    this.#host.input.clear();
    this.#host.input.write(input);
  }

  /** `transmitted`, `received`: bytes; `dropped`: bytes sent that nobody took. */
  counters(): Counters {
    const dropped = this.#host.dropped + this.#dropped;
    return { transmitted: this.#transmitted, received: this.#received, dropped };
  }

  #setSize(columns: number, rows: number): void {
    for (const [name, value] of [["columns", columns] as const, ["rows", rows] as const]) {
      if (!Number.isInteger(value) || value < 1 || value > 0xffff) {
        throw new RangeError(`virtioConsole: ${value} ${name} is not from 1 to 65535`);
      }
    }
    this.#data.setUint16(0, columns, true);
    this.#data.setUint16(2, rows, true);
  }

  #receive(): void {
    const queue = this.#activation?.queues[RECEIVE];
    if (queue === undefined) return;
    const { input } = this.#host;
    while (input.length > 0) {
      const chain = queue.pop();
      if (chain === undefined) break;
      let written = 0;
      for (let index = 0; index < chain.writable.length && input.length > 0; index++) {
        written += input.read((chain.writable[index] as VirtioSegment).bytes);
      }
      this.#received += written;
      queue.push(chain, written);
    }
    queue.notify();
    this.#host.consumed();
  }

  #transmit(): void {
    const queue = this.#activation?.queues[TRANSMIT];
    if (queue === undefined || this.#postponed !== undefined) return;
    let sent = 0;
    while (this.#host.room > 0) {
      if (sent >= MAX_AT_ONCE) {
        this.#postponed ??= setTimeout(() => {
          this.#postponed = undefined;
          this.#transmit();
        }, 0);
        break;
      }
      const chain = queue.pop();
      if (chain === undefined) break;
      sent += this.#send(chain);
      queue.push(chain, 0);
    }
    queue.notify();
  }

  /** Sends what is in a chain; returns how many bytes. */
  #send(chain: VirtioChain): number {
    let left = Math.min(chain.readableLength, MAX_CHAIN);
    for (let index = 0; left > 0; index++) {
      const { bytes } = chain.readable[index] as VirtioSegment;
      const end = Math.min(bytes.length, left);
      for (let at = 0; at < end; at += MAX_CHUNK)
        this.#host.emit(bytes.slice(at, Math.min(at + MAX_CHUNK, end)));
      left -= end;
    }
    const sent = Math.min(chain.readableLength, MAX_CHAIN);
    this.#transmitted += sent;
    this.#dropped += chain.readableLength - sent;
    return sent;
  }
}

/** Configures a {@link VirtioConsole}. */
export function virtioConsole(options: VirtioConsoleOptions = {}): DeviceFactory<VirtioConsole> {
  return (slot: DeviceSlot) => {
    const device = new VirtioConsole(options);
    slot.defer(() => device.close());
    return device;
  };
}
