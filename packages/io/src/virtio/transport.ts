import type {
  DeviceSlot,
  SnapshotState,
  Snapshottable,
  SnapshotValue,
  VirtioActivation,
  VirtioDevice,
} from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import {
  bigintField,
  booleanField,
  checkVersion,
  integerField,
  integersField,
  listField,
  stateField,
} from "../snapshot.ts";
import {
  ISR_CONFIG,
  ISR_QUEUE,
  STATUS,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from "./constants.ts";
import { SplitQueue } from "./queue.ts";

const TWO32 = 0x1_0000_0000;
const DRIVER_STATUS =
  STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.DRIVER_OK | STATUS.FEATURES_OK | STATUS.FAILED;
/** Lines logged on a driver's behalf in a device's life. */
const MAX_LOGGED = 8;

/** What a transport needs of its {@link DeviceSlot}. */
export type TransportSlot = Pick<DeviceSlot, "name" | "memory" | "irq" | "log">;

/** A queue's registers. Each address is a low and a high word. */
export class QueueRegisters {
  readonly maxSize: number;
  size: number;
  ready = false;
  /** Descriptor table, available ring, used ring: low and high word of each. */
  readonly addresses: Uint32Array = new Uint32Array(6);
  queue: SplitQueue | undefined = undefined;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
    this.size = maxSize;
  }

  address(area: 0 | 1 | 2): number {
    return (this.addresses[area * 2 + 1] as number) * TWO32 + (this.addresses[area * 2] as number);
  }

  reset(): void {
    this.queue?.detach();
    this.queue = undefined;
    this.size = this.maxSize;
    this.ready = false;
    this.addresses.fill(0);
  }
}

/**
 * What all transports share (VIRTIO 1.2, chapters 2 and 3): device status, feature negotiation, queue selection,
 * interrupt status and the life of the queues. A transport maps its registers to these.
 */
export class TransportState implements Snapshottable {
  readonly device: VirtioDevice;
  readonly queues: readonly QueueRegisters[];
  readonly #slot: TransportSlot;
  /** Offered features. */
  readonly #features: bigint;
  #status = 0;
  #deviceFeaturesSelect = 0;
  #driverFeaturesSelect = 0;
  #driverFeatures = 0n;
  #unknownFeatures = false;
  #selected = 0;
  #isr = 0;
  #generation = 0;
  #notifications = 0;
  #interrupts = 0;
  #violations = 0;
  #resets = 0;
  #logged = 0;

  constructor(slot: TransportSlot, device: VirtioDevice) {
    this.#slot = slot;
    this.device = device;
    this.#features = device.features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
    this.queues = device.queueSizes.map((size) => {
      if (!Number.isInteger(size) || size < 1 || size > 32768 || (size & (size - 1)) !== 0) {
        throw new RangeError(`${slot.name}: queue size ${size} is not a power of two up to 32768`);
      }
      return new QueueRegisters(size);
    });
  }

  get status(): number {
    return this.#status;
  }

  /** The 32 bits of the offered features that the driver selected. */
  get deviceFeatures(): number {
    return window(this.#features, this.#deviceFeaturesSelect);
  }

  get driverFeatures(): number {
    return window(this.#driverFeatures, this.#driverFeaturesSelect);
  }

  get deviceFeaturesSelect(): number {
    return this.#deviceFeaturesSelect;
  }

  set deviceFeaturesSelect(value: number) {
    this.#deviceFeaturesSelect = value;
  }

  get driverFeaturesSelect(): number {
    return this.#driverFeaturesSelect;
  }

  set driverFeaturesSelect(value: number) {
    this.#driverFeaturesSelect = value;
  }

  set driverFeatures(value: number) {
    if (this.#driverFeaturesSelect > 1 || (this.#status & STATUS.FEATURES_OK) !== 0) {
      // Bits from 64 up are never offered: accepting one fails the negotiation.
      if (this.#driverFeaturesSelect > 1 && value !== 0) this.#unknownFeatures = true;
      else if (this.#driverFeaturesSelect <= 1) this.violation("driver features out of turn");
      return;
    }
    const shift = BigInt(this.#driverFeaturesSelect * 32);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value >>> 0) << shift);
  }

  get selected(): number {
    return this.#selected;
  }

  set selected(value: number) {
    this.#selected = value;
  }

  /** The selected queue's registers; undefined when there is no such queue. */
  get queue(): QueueRegisters | undefined {
    return this.queues[this.#selected];
  }

  /** The selected queue's registers while the driver may change them. */
  get openQueue(): QueueRegisters | undefined {
    const queue = this.queue;
    if (queue === undefined || queue.ready || (this.#status & STATUS.DRIVER_OK) !== 0) {
      this.violation("queue registers out of turn");
      return undefined;
    }
    return queue;
  }

  get isr(): number {
    return this.#isr;
  }

  get generation(): number {
    return this.#generation;
  }

  acknowledge(bits: number): void {
    this.#isr &= ~bits;
    if (this.#isr === 0) this.#slot.irq.set(false);
  }

  writeStatus(value: number): void {
    if ((value & 0xff) === 0) {
      this.reset();
      return;
    }
    let added = value & ~this.#status & DRIVER_STATUS;
    // Section 3.1.1, step 5: FEATURES_OK stays clear when the device can't work with these features.
    if ((added & STATUS.FEATURES_OK) !== 0 && !this.#acceptable()) {
      added &= ~STATUS.FEATURES_OK;
      this.violation("features refused");
    }
    if ((added & STATUS.DRIVER_OK) !== 0 && ((this.#status | added) & STATUS.FEATURES_OK) === 0) {
      added &= ~STATUS.DRIVER_OK;
      this.violation("DRIVER_OK without FEATURES_OK");
    }
    this.#status |= added;
    if ((added & STATUS.DRIVER_OK) !== 0) this.#activate([]);
  }

  /** The driver made buffers available in queue `index`. */
  notify(index: number): void {
    if ((this.#status & STATUS.DRIVER_OK) === 0 || this.queues[index]?.queue === undefined) {
      this.violation("notification out of turn");
      return;
    }
    this.#notifications++;
    if ((this.#status & STATUS.DEVICE_NEEDS_RESET) === 0) this.device.notify(index);
  }

  /** Stops a queue (VIRTIO 1.2, section 4.2.2: QueueReady written with zero). */
  stop(queue: QueueRegisters): void {
    queue.ready = false;
    queue.queue?.detach();
    queue.queue = undefined;
  }

  configRead(offset: number, size: 1 | 2 | 4): number {
    const { config } = this.device;
    return offset + size <= config.size ? config.read(offset, size) >>> 0 : 0;
  }

  configWrite(offset: number, size: 1 | 2 | 4, value: number): void {
    const { config } = this.device;
    if (offset + size <= config.size) config.write(offset, size, value);
  }

  violation(reason: string): void {
    this.#violations++;
    if (this.#logged >= MAX_LOGGED) return;
    this.#logged++;
    this.#slot.log("warn", `${this.#slot.name}: driver error: ${reason}`);
  }

  /** What a driver's write of zero to the status does (VIRTIO 1.2, section 2.4). */
  reset(): void {
    this.#resets++;
    for (const queue of this.queues) queue.reset();
    this.device.reset();
    this.#status = 0;
    this.#deviceFeaturesSelect = 0;
    this.#driverFeaturesSelect = 0;
    this.#driverFeatures = 0n;
    this.#unknownFeatures = false;
    this.#selected = 0;
    this.#isr = 0;
    this.#slot.irq.set(false);
  }

  save(): SnapshotState {
    const queues = this.queues.map((queue): { [name: string]: SnapshotValue } => ({
      size: queue.size,
      ready: queue.ready,
      addresses: [...queue.addresses],
      ring: queue.queue?.alive ? queue.queue.save() : null,
    }));
    return {
      version: 1,
      status: this.#status,
      deviceFeaturesSelect: this.#deviceFeaturesSelect,
      driverFeaturesSelect: this.#driverFeaturesSelect,
      driverFeatures: this.#driverFeatures,
      unknownFeatures: this.#unknownFeatures,
      selected: this.#selected,
      isr: this.#isr,
      generation: this.#generation,
      queues,
      device: this.device.save(),
    };
  }

  /** Takes over `state`. Guest memory is to be restored before it: what was in flight starts again here. */
  restore(state: SnapshotState): void {
    checkVersion(state, 1, "virtio transport");
    const saved = listField(state, "queues", this.queues.length);
    if (saved.length !== this.queues.length) {
      throw new TypeError(`snapshot has ${saved.length} queues, the device ${this.queues.length}`);
    }
    const status = integerField(state, "status", 0xff);
    const driverFeatures = bigintField(state, "driverFeatures");
    if ((driverFeatures & ~this.#features) !== 0n) {
      throw new TypeError(
        `snapshot has features 0x${driverFeatures.toString(16)} that the device does not offer`,
      );
    }
    this.reset();
    this.device.restore(stateField(state, "device"));
    this.#status = status;
    this.#driverFeatures = driverFeatures;
    this.#deviceFeaturesSelect = integerField(state, "deviceFeaturesSelect", 0xffffffff);
    this.#driverFeaturesSelect = integerField(state, "driverFeaturesSelect", 0xffffffff);
    this.#unknownFeatures = booleanField(state, "unknownFeatures");
    this.#selected = integerField(state, "selected", 0xffffffff);
    this.#isr = integerField(state, "isr", 3);
    this.#generation = integerField(state, "generation", 0xffffffff);
    const rings: (SnapshotState | undefined)[] = [];
    for (const [index, queue] of this.queues.entries()) {
      const fields = saved[index] as { readonly [name: string]: SnapshotValue };
      queue.size = integerField(fields, "size", 0xffffffff);
      queue.ready = booleanField(fields, "ready");
      queue.addresses.set(integersField(fields, "addresses", 6));
      rings.push(fields.ring === null ? undefined : stateField(fields, "ring"));
    }
    this.#slot.irq.set(this.#isr !== 0);
    if ((status & STATUS.DRIVER_OK) !== 0) this.#activate(rings);
  }

  /**
   * `notifications`: by the driver; `interrupts`: to the driver, suppressed ones not counted; `violations`: protocol
   * errors of the driver; `resets`: by the driver or the machine.
   */
  counters(): Counters {
    return {
      notifications: this.#notifications,
      interrupts: this.#interrupts,
      violations: this.#violations,
      resets: this.#resets,
    };
  }

  #acceptable(): boolean {
    const accepted = this.#driverFeatures;
    return (
      !this.#unknownFeatures && (accepted & ~this.#features) === 0n && (accepted & VIRTIO_F_VERSION_1) !== 0n
    );
  }

  #activate(rings: readonly (SnapshotState | undefined)[]): void {
    const features = this.#driverFeatures;
    const restored = rings.length > 0;
    for (const [index, registers] of this.queues.entries()) {
      const ring = rings[index];
      if (!registers.ready || (restored && ring === undefined)) continue;
      registers.queue = new SplitQueue({
        memory: this.#slot.memory,
        size: registers.size,
        descriptors: registers.address(0),
        available: registers.address(1),
        used: registers.address(2),
        indirect: (features & VIRTIO_F_INDIRECT_DESC) !== 0n,
        eventIndex: (features & VIRTIO_F_EVENT_IDX) !== 0n,
        interrupt: () => this.#raise(ISR_QUEUE),
        broken: (reason) => {
          this.violation(`queue ${index}: ${reason}`);
          this.#needsReset();
        },
      });
      if (ring !== undefined) registers.queue.restore(ring);
    }
    if ((this.#status & STATUS.DEVICE_NEEDS_RESET) !== 0)
      for (const { queue } of this.queues) queue?.detach();
    const activation: VirtioActivation = {
      features,
      queues: this.queues.map((registers) => (registers.queue?.alive ? registers.queue : undefined)),
      configChanged: () => {
        this.#generation = (this.#generation + 1) >>> 0;
        this.#raise(ISR_CONFIG);
      },
      needsReset: () => {
        this.violation("protocol error");
        this.#needsReset();
      },
    };
    this.device.activate(activation);
    if (!restored) return;
    // What was in flight comes again, and what the device had not come to yet must not wait for the driver.
    for (const [index, { queue }] of this.queues.entries()) if (queue?.alive) this.device.notify(index);
  }

  #needsReset(): void {
    if ((this.#status & STATUS.DEVICE_NEEDS_RESET) !== 0) return;
    this.#status |= STATUS.DEVICE_NEEDS_RESET;
    for (const registers of this.queues) registers.queue?.detach();
    // Section 2.1.2: the driver is told by a configuration change notification.
    if ((this.#status & STATUS.DRIVER_OK) !== 0) this.#raise(ISR_CONFIG);
  }

  #raise(bit: number): void {
    this.#interrupts++;
    this.#isr |= bit;
    this.#slot.irq.set(true);
  }
}

function window(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(select * 32)) & 0xffff_ffffn);
}
