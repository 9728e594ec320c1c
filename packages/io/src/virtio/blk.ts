import type {
  BlockBackend,
  DeviceFactory,
  DeviceSlot,
  MaybePromise,
  SnapshotState,
  VirtioActivation,
  VirtioChain,
  VirtioDevice,
  VirtioQueue,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { booleanField, checkVersion } from "../snapshot.ts";
import { BlkExecutor, isPromise } from "./blk-executor.ts";
import {
  HEADER_SIZE,
  MAX_RANGE_SECTORS,
  MAX_RANGE_SEGMENTS,
  SECTOR,
  VIRTIO_BLK_F,
  VIRTIO_BLK_S,
} from "./blk-request.ts";
import { readConfig } from "./config-bytes.ts";
import type { TransportSlot } from "./transport.ts";

const CONFIG_SIZE = 60;
const WRITEBACK = 32;
const MAX_LOGGED = 8;
/** Bytes that are moved at once; what is left of the queues waits for the event loop's next turn. */
const MAX_AT_ONCE = 64 << 20;

/** How a {@link VirtioBlk} is set up. */
export interface VirtioBlkOptions {
  readonly backend: BlockBackend;
  /** What the guest reads as the serial number: up to 20 bytes. The start of the device's name by default. */
  readonly serial?: string;
  /** Request queues, 1 to 16; 1 by default. */
  readonly queues?: number;
  /** Entries in each queue, a power of two from 4 to 1024; 256 by default. */
  readonly queueSize?: number;
  /** Requests that the backend has in flight at a time at most, over all queues; 64 by default. */
  readonly inFlight?: number;
}

/**
 * The virtio block device (VIRTIO 1.2, section 5.2) on a {@link BlockBackend}.
 *
 * A request that the backend completes at once is completed inside the notification, unless that has moved 64 MiB
 * already: then it is in a later turn of the event loop, which a guest must not hold up. Others complete in any order.
 * A flush is acknowledged when the backend's flush has completed, and not before. Without a write-back cache (the
 * driver's choice, section 5.2.6.2) each write is durable before it is acknowledged. Requests beyond the disk or not
 * in whole blocks fail with IOERR, unknown ones with UNSUPP. After a reset what the backend still has in flight
 * can't reach guest memory, and no new request starts before it has ended.
 */
export class VirtioBlk implements VirtioDevice {
  readonly bus = "virtio";
  readonly id: number = 2;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly config: VirtioDevice["config"];
  readonly #backend: BlockBackend;
  readonly #slot: TransportSlot;
  readonly #executor: BlkExecutor;
  readonly #limit: number;
  readonly #data: DataView = new DataView(new ArrayBuffer(CONFIG_SIZE));
  #activation: VirtioActivation | undefined;
  /** Calls that the backend has in flight, those from before a reset included. */
  #flying = 0;
  /** Of these, the ones from before the last reset. */
  #stale = 0;
  #epoch = 0;
  #errors = 0;
  #unsupported = 0;
  #malformed = 0;
  #logged = 0;
  /** The timer of queues that wait for the event loop's next turn. */
  #postponed: ReturnType<typeof setTimeout> | undefined;

  constructor(slot: TransportSlot, options: VirtioBlkOptions) {
    const { backend, queues = 1, queueSize = 256, inFlight = 64 } = options;
    checkOptions(options, queues, queueSize, inFlight);
    const serial = new Uint8Array(20);
    serial.set(new TextEncoder().encode(options.serial ?? slot.name).subarray(0, 20));
    this.#backend = backend;
    this.#slot = slot;
    this.#limit = inFlight;
    this.#executor = new BlkExecutor(slot.memory, backend, serial);
    this.queueSizes = new Array<number>(queues).fill(queueSize);
    const { SEG_MAX, RO, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, MQ, DISCARD, WRITE_ZEROES } = VIRTIO_BLK_F;
    const common = SEG_MAX | BLK_SIZE | FLUSH | TOPOLOGY | CONFIG_WCE | (queues > 1 ? MQ : 0n);
    this.features = common | (backend.readOnly ? RO : DISCARD | WRITE_ZEROES);
    describe(this.#data, backend, queues, queueSize);
    this.config = {
      size: CONFIG_SIZE,
      read: (offset, size) => readConfig(this.#data, offset, size),
      write: (offset, size, value) => {
        if (offset === WRITEBACK && size === 1) this.#setWriteback((value & 1) !== 0);
      },
    };
  }

  activate(activation: VirtioActivation): void {
    this.#activation = activation;
    this.#chooseCaching();
  }

  notify(index: number): void {
    const queue = this.#activation?.queues[index];
    if (queue !== undefined) this.#drain(queue);
  }

  reset(): void {
    this.#epoch++;
    this.#stale = this.#flying;
    this.#executor.abandon();
    clearTimeout(this.#postponed);
    this.#postponed = undefined;
    this.#executor.writeThrough = false;
    this.#activation = undefined;
    this.#data.setUint8(WRITEBACK, 1);
  }

  save(): SnapshotState {
    return { version: 1, writeback: this.#data.getUint8(WRITEBACK) === 1 };
  }

  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtioBlk");
    this.#data.setUint8(WRITEBACK, booleanField(state, "writeback") ? 1 : 0);
  }

  /**
   * `reads`, `writes`, `flushes`, `discards` (zeroed ranges too): requests; `errors`: those that failed;
   * `unsupported`: of a type or with a flag that is unknown; `malformed`: chains too short to be a request;
   * `inFlight`: calls that the backend has now.
   */
  counters(): Counters {
    const { reads, writes, flushes, discards } = this.#executor;
    return {
      reads,
      writes,
      flushes,
      discards,
      errors: this.#errors,
      unsupported: this.#unsupported,
      malformed: this.#malformed,
      inFlight: this.#flying,
    };
  }

  #chooseCaching(): void {
    const features = this.#activation?.features ?? 0n;
    this.#executor.writeThrough =
      (features & VIRTIO_BLK_F.CONFIG_WCE) !== 0n
        ? this.#data.getUint8(WRITEBACK) === 0
        : (features & VIRTIO_BLK_F.FLUSH) === 0n;
  }

  #setWriteback(on: boolean): void {
    const was = this.#data.getUint8(WRITEBACK) === 1;
    this.#data.setUint8(WRITEBACK, on ? 1 : 0);
    if (this.#activation === undefined) return;
    this.#chooseCaching();
    // What was acknowledged from the cache must not be lost behind a driver that flushes no more.
    if (was && !on) this.#flushUnasked();
  }

  #flushUnasked(): void {
    try {
      const result = this.#backend.flush();
      if (isPromise(result)) result.catch((error: unknown) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
    }
  }

  #drain(queue: VirtioQueue): void {
    if (this.#postponed !== undefined) return;
    this.#executor.movedAtOnce = 0;
    while (this.#flying < this.#limit && this.#stale === 0) {
      if (this.#executor.movedAtOnce >= MAX_AT_ONCE) {
        this.#postponed ??= setTimeout(() => {
          this.#postponed = undefined;
          this.#drainAll();
        }, 0);
        break;
      }
      const chain = queue.pop();
      if (chain === undefined) break;
      this.#start(queue, chain);
    }
    queue.notify();
  }

  #drainAll(): void {
    if (this.#activation === undefined) return;
    for (const queue of this.#activation.queues) if (queue !== undefined) this.#drain(queue);
  }

  #start(queue: VirtioQueue, chain: VirtioChain): void {
    if (chain.readableLength < HEADER_SIZE || chain.writableLength < 1) {
      this.#malformed++;
      if (chain.writableLength < 1) queue.push(chain, 0);
      else this.#complete(queue, chain, VIRTIO_BLK_S.IOERR);
      return;
    }
    let result: MaybePromise<number>;
    try {
      result = this.#executor.execute(chain);
    } catch (error) {
      this.#failed(error);
      result = VIRTIO_BLK_S.IOERR;
    }
    if (!isPromise(result)) {
      this.#complete(queue, chain, result);
      return;
    }
    const epoch = this.#epoch;
    this.#flying++;
    result.then(
      (status) => this.#landed(epoch, queue, chain, status),
      (error: unknown) => {
        this.#failed(error);
        this.#landed(epoch, queue, chain, VIRTIO_BLK_S.IOERR);
      },
    );
  }

  /** A call of the backend has ended: its request is complete, unless there was a reset, and others may start. */
  #landed(epoch: number, queue: VirtioQueue, chain: VirtioChain, status: number): void {
    this.#flying--;
    if (epoch === this.#epoch) {
      this.#complete(queue, chain, status);
      queue.notify();
    } else this.#stale--;
    this.#drainAll();
  }

  #complete(queue: VirtioQueue, chain: VirtioChain, status: number): void {
    if (status === VIRTIO_BLK_S.UNSUPP) this.#unsupported++;
    else if (status !== VIRTIO_BLK_S.OK) this.#errors++;
    const last = chain.writable[chain.writable.length - 1];
    if (last !== undefined) last.bytes[last.bytes.length - 1] = status;
    queue.push(chain, chain.writableLength);
  }

  #failed(error: unknown): void {
    if (this.#logged >= MAX_LOGGED) return;
    this.#logged++;
    this.#slot.log("error", `${this.#slot.name}: backend failed: ${String(error)}`);
  }
}

/** Configures a {@link VirtioBlk}. The backend stays the embedder's to close. */
export function virtioBlk(options: VirtioBlkOptions): DeviceFactory<VirtioBlk> {
  return (slot: DeviceSlot) => {
    const device = new VirtioBlk(slot, options);
    // What the backend still has in flight must not reach the memory of a machine that is gone.
    slot.defer(() => device.reset());
    return device;
  };
}

function checkOptions(options: VirtioBlkOptions, queues: number, queueSize: number, inFlight: number): void {
  const { size, blockSize } = options.backend;
  if (!(blockSize >= 512 && blockSize <= 1 << 20) || (blockSize & (blockSize - 1)) !== 0) {
    throw new RangeError(`virtioBlk: block size ${blockSize} is not a power of two from 512 to ${1 << 20}`);
  }
  if (!Number.isSafeInteger(size) || size < 0 || size % blockSize !== 0) {
    throw new RangeError(`virtioBlk: disk of ${size} bytes is not whole blocks of ${blockSize}`);
  }
  if (!Number.isInteger(queues) || queues < 1 || queues > 16) {
    throw new RangeError(`virtioBlk: ${queues} queues is not from 1 to 16`);
  }
  if (!(queueSize >= 4 && queueSize <= 1024) || (queueSize & (queueSize - 1)) !== 0) {
    throw new RangeError(`virtioBlk: queue size ${queueSize} is not a power of two from 4 to 1024`);
  }
  if (!Number.isInteger(inFlight) || inFlight < 1 || inFlight > 1024) {
    throw new RangeError(`virtioBlk: ${inFlight} requests in flight is not from 1 to 1024`);
  }
  if (options.serial !== undefined && new TextEncoder().encode(options.serial).length > 20) {
    throw new RangeError(`virtioBlk: serial ${options.serial} is longer than 20 bytes`);
  }
}

/** Fills in the configuration space (section 5.2.4). */
function describe(data: DataView, backend: BlockBackend, queues: number, queueSize: number): void {
  const { size, blockSize, readOnly } = backend;
  data.setBigUint64(0, BigInt(size / SECTOR), true);
  data.setUint32(12, queueSize - 2, true);
  data.setUint32(20, blockSize, true);
  // Physical blocks of 4096 bytes, so that guests align to them.
  const exponent = Math.max(0, 12 - Math.log2(blockSize));
  data.setUint8(24, exponent);
  data.setUint16(26, 1 << exponent, true);
  data.setUint8(WRITEBACK, 1);
  data.setUint16(34, queues, true);
  if (readOnly) return;
  data.setUint32(36, MAX_RANGE_SECTORS, true);
  data.setUint32(40, MAX_RANGE_SEGMENTS, true);
  data.setUint32(44, blockSize / SECTOR, true);
  data.setUint32(48, MAX_RANGE_SECTORS, true);
  data.setUint32(52, MAX_RANGE_SEGMENTS, true);
  data.setUint8(56, 1);
}
