import type { MmioSize, SnapshotState, VirtioDevice } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { PciConfigSpace } from "../pci/config-space.ts";
import type { PciFunction } from "../pci/pci-host.ts";
import { type TransportSlot, TransportState } from "./transport.ts";

/** Types of the vendor capabilities (VIRTIO 1.2, section 4.1.4). */
export const VIRTIO_PCI_CAP: {
  readonly COMMON_CFG: 1;
  readonly NOTIFY_CFG: 2;
  readonly ISR_CFG: 3;
  readonly DEVICE_CFG: 4;
  readonly PCI_CFG: 5;
} = { COMMON_CFG: 1, NOTIFY_CFG: 2, ISR_CFG: 3, DEVICE_CFG: 4, PCI_CFG: 5 };

const BAR_SIZE = 0x4000;
const COMMON = 0x0000;
const COMMON_LENGTH = 0x38;
const ISR = 0x1000;
const CONFIG = 0x2000;
const NOTIFY = 0x3000;
const NOTIFY_MULTIPLIER = 4;
const NO_VECTOR = 0xffff;
const VENDOR_CAPABILITY = 0x09;

/** Class codes by device type; others are 0xff0000, unclassified. */
const CLASSES: { readonly [id: number]: number } = { 1: 0x020000, 2: 0x018000, 3: 0x078000, 4: 0xff0000 };

/**
 * A virtio device over PCI, modern interface only (VIRTIO 1.2, section 4.1), interrupting by INTA.
 *
 * All structures are in BAR 0, 16 KiB of memory: common configuration at 0, ISR status at 0x1000, device
 * configuration at 0x2000, notifications at 0x3000 with 4 bytes a queue.
 */
export class VirtioPci implements PciFunction {
  readonly config: PciConfigSpace;
  readonly #state: TransportState;
  /** Offset of `pci_cfg_data`, the window of the PCI configuration access capability. */
  readonly #window: number;

  constructor(slot: TransportSlot, device: VirtioDevice) {
    if (device.queueSizes.length * NOTIFY_MULTIPLIER > BAR_SIZE - NOTIFY) {
      throw new RangeError(
        `${slot.name}: ${device.queueSizes.length} queues are too many for the PCI transport`,
      );
    }
    this.#state = new TransportState(slot, device);
    const config = new PciConfigSpace({
      vendor: 0x1af4,
      device: 0x1040 + device.id,
      subsystemVendor: 0x1af4,
      subsystem: 0x1040 + device.id,
      revision: 1,
      classCode: CLASSES[device.id] ?? 0xff0000,
    });
    config.addBar(0, BAR_SIZE);
    const add = (
      type: number,
      offset: number,
      length: number,
      more: number[] = [],
      writableFrom?: number,
    ) => {
      const body = new Uint8Array(14 + more.length * 4);
      const view = new DataView(body.buffer);
      view.setUint8(0, 16 + more.length * 4);
      view.setUint8(1, type);
      view.setUint32(6, offset, true);
      view.setUint32(10, length, true);
      for (const [index, word] of more.entries()) view.setUint32(14 + index * 4, word, true);
      return config.addCapability(VENDOR_CAPABILITY, body, writableFrom);
    };
    add(VIRTIO_PCI_CAP.COMMON_CFG, COMMON, COMMON_LENGTH);
    const notifyLength = Math.max(4, device.queueSizes.length * NOTIFY_MULTIPLIER);
    add(VIRTIO_PCI_CAP.NOTIFY_CFG, NOTIFY, notifyLength, [NOTIFY_MULTIPLIER]);
    add(VIRTIO_PCI_CAP.ISR_CFG, ISR, 1);
    if (device.config.size > 0) add(VIRTIO_PCI_CAP.DEVICE_CFG, CONFIG, device.config.size);
    // BAR, offset, length and data of this one are the driver's to write.
    this.#window = add(VIRTIO_PCI_CAP.PCI_CFG, 0, 0, [0], 2) + 16;
    this.config = config;
  }

  /** The device behind the transport. */
  get device(): VirtioDevice {
    return this.#state.device;
  }

  configRead(offset: number, size: MmioSize): number {
    const at = offset - this.#window;
    if (at >= 0 && at + size <= 4) {
      // Section 4.1.4.9.1: reading pci_cfg_data reads the BAR; the access has the length that cap.length says.
      const target = this.#windowTarget();
      if (target >= 0) {
        const length = this.#windowLength as MmioSize;
        this.config.write(this.#window, 4, this.barRead(0, target, length));
      }
    }
    return this.config.read(offset, size);
  }

  configWritten(offset: number, size: MmioSize): void {
    if (offset + size <= this.#window || offset >= this.#window + 4) return;
    const target = this.#windowTarget();
    if (target < 0) return;
    const length = this.#windowLength as MmioSize;
    this.barWrite(0, target, length, this.config.read(this.#window, length));
  }

  barRead(_bar: number, offset: number, size: MmioSize): number {
    const state = this.#state;
    if (offset < ISR) return this.#commonRead(offset, size);
    if (offset < CONFIG) {
      if (offset !== ISR) return 0;
      const { isr } = state;
      state.acknowledge(isr);
      return isr;
    }
    return offset < NOTIFY ? state.configRead(offset - CONFIG, size) : 0;
  }

  barWrite(_bar: number, offset: number, size: MmioSize, value: number): void {
    const state = this.#state;
    if (offset < ISR) this.#commonWrite(offset, size, value);
    else if (offset < CONFIG) return;
    else if (offset < NOTIFY) state.configWrite(offset - CONFIG, size, value);
    else state.notify(Math.floor((offset - NOTIFY) / NOTIFY_MULTIPLIER));
  }

  reset(): void {
    this.#state.reset();
  }

  save(): SnapshotState {
    return this.#state.save();
  }

  restore(state: SnapshotState): void {
    this.#state.restore(state);
  }

  /** Those of the transport: `notifications`, `interrupts`, `violations`, `resets`. */
  counters(): Counters {
    return this.#state.counters();
  }

  get #windowLength(): number {
    return this.config.read(this.#window - 4, 4);
  }

  /** Offset in BAR 0 that the configuration access window points at; -1 when the window is not set to a valid access. */
  #windowTarget(): number {
    const bar = this.config.read(this.#window - 12, 1);
    const offset = this.config.read(this.#window - 8, 4);
    const length = this.#windowLength;
    if (bar !== 0 || (length !== 1 && length !== 2 && length !== 4)) return -1;
    return offset % length === 0 && offset + length <= BAR_SIZE ? offset : -1;
  }

  /** The common configuration structure (section 4.1.4.3). Each field is read in its own width, addresses in halves. */
  #commonRead(offset: number, size: MmioSize): number {
    const state = this.#state;
    const { queue } = state;
    switch (offset) {
      case 0x00: // device_feature_select
        return state.deviceFeaturesSelect;
      case 0x04: // device_feature
        return state.deviceFeatures;
      case 0x08: // driver_feature_select
        return state.driverFeaturesSelect;
      case 0x0c: // driver_feature
        return state.driverFeatures;
      case 0x10: // config_msix_vector
        return NO_VECTOR;
      case 0x12: // num_queues
        return state.queues.length;
      case 0x14: // device_status
        return state.status;
      case 0x15: // config_generation
        return state.generation & 0xff;
      case 0x16: // queue_select
        return state.selected;
      case 0x18: // queue_size: 0 when there is no such queue
        return queue?.size ?? 0;
      case 0x1a: // queue_msix_vector
        return NO_VECTOR;
      case 0x1c: // queue_enable
        return queue?.ready ? 1 : 0;
      case 0x1e: // queue_notify_off
        return queue === undefined ? 0 : state.selected;
      default:
        if (offset < 0x20 || offset >= COMMON_LENGTH || size !== 4 || queue === undefined) return 0;
        return queue.addresses[(offset - 0x20) >>> 2] as number;
    }
  }

  #commonWrite(offset: number, size: MmioSize, value: number): void {
    const state = this.#state;
    switch (offset) {
      case 0x00:
        if (size === 4) state.deviceFeaturesSelect = value;
        return;
      case 0x08:
        if (size === 4) state.driverFeaturesSelect = value;
        return;
      case 0x0c:
        if (size === 4) state.driverFeatures = value;
        return;
      case 0x14:
        state.writeStatus(value & 0xff);
        return;
      case 0x16:
        state.selected = value & 0xffff;
        return;
      case 0x18: {
        const queue = state.openQueue;
        if (queue !== undefined) queue.size = value & 0xffff;
        return;
      }
      case 0x1c: {
        // Section 4.1.4.3.2: the driver never writes 0 here.
        const queue = (value & 0xffff) === 1 ? state.openQueue : undefined;
        if (queue !== undefined) queue.ready = true;
        return;
      }
      default: {
        if (offset < 0x20 || offset >= COMMON_LENGTH || size !== 4) return;
        const queue = state.openQueue;
        if (queue !== undefined) queue.addresses[(offset - 0x20) >>> 2] = value;
      }
    }
  }
}

/** Puts a virtio device on the PCI transport, for `add` of a PCI host. */
export function virtioPci(slot: TransportSlot, device: VirtioDevice): VirtioPci {
  return new VirtioPci(slot, device);
}
