import type { MmioSize, PlatformDevice, SnapshotState, VirtioDevice } from "@isomorph/interface";
import type { Counters } from "../counters.ts";
import { type QueueRegisters, type TransportSlot, TransportState } from "./transport.ts";

const CONFIG = 0x100;

/**
 * A virtio device over MMIO, version 2 (VIRTIO 1.2, section 4.2); the legacy interface is not offered.
 *
 * Control registers take aligned 32-bit accesses only, the configuration space 8, 16 and 32 bits.
 */
export class VirtioMmio implements PlatformDevice {
  readonly bus = "platform";
  readonly size: number = 0x1000;
  readonly nodeName: string = "virtio_mmio";
  readonly devicetree: PlatformDevice["devicetree"] = { compatible: "virtio,mmio", "dma-coherent": true };
  readonly interrupts: boolean = true;
  readonly #state: TransportState;

  constructor(slot: TransportSlot, device: VirtioDevice) {
    this.#state = new TransportState(slot, device);
  }

  /** The device behind the transport. */
  get device(): VirtioDevice {
    return this.#state.device;
  }

  mmioRead(offset: number, size: MmioSize): number {
    const state = this.#state;
    if (offset >= CONFIG) return state.configRead(offset - CONFIG, size);
    if (size !== 4) return 0;
    switch (offset) {
      case 0x000: // MagicValue: "virt"
        return 0x74726976;
      case 0x004: // Version
        return 2;
      case 0x008: // DeviceID
        return state.device.id;
      case 0x00c: // VendorID
        return 0x4f534949;
      case 0x010: // DeviceFeatures
        return state.deviceFeatures;
      case 0x034: // QueueNumMax
        return state.queue?.maxSize ?? 0;
      case 0x044: // QueueReady
        return state.queue?.ready ? 1 : 0;
      case 0x060: // InterruptStatus
        return state.isr;
      case 0x070: // Status
        return state.status;
      case 0x0b0: // SHMLenLow to SHMBaseHigh: no shared memory region
      case 0x0b4:
      case 0x0b8:
      case 0x0bc:
        return 0xffffffff;
      case 0x0fc: // ConfigGeneration
        return state.generation;
      default:
        return 0;
    }
  }

  mmioWrite(offset: number, size: MmioSize, value: number): void {
    const state = this.#state;
    if (offset >= CONFIG) {
      state.configWrite(offset - CONFIG, size, value);
      return;
    }
    if (size !== 4) return;
    switch (offset) {
      case 0x014: // DeviceFeaturesSel
        state.deviceFeaturesSelect = value;
        break;
      case 0x020: // DriverFeatures
        state.driverFeatures = value;
        break;
      case 0x024: // DriverFeaturesSel
        state.driverFeaturesSelect = value;
        break;
      case 0x030: // QueueSel
        state.selected = value;
        break;
      case 0x038: {
        // QueueNum
        const queue = state.openQueue;
        if (queue !== undefined) queue.size = value;
        break;
      }
      case 0x044:
        this.#ready(value);
        break;
      case 0x050: // QueueNotify
        state.notify(value);
        break;
      case 0x064: // InterruptACK
        state.acknowledge(value);
        break;
      case 0x070:
        state.writeStatus(value);
        break;
      case 0x080: // QueueDescLow
        this.#address(0, value);
        break;
      case 0x084:
        this.#address(1, value);
        break;
      case 0x090: // QueueDriverLow
        this.#address(2, value);
        break;
      case 0x094:
        this.#address(3, value);
        break;
      case 0x0a0: // QueueDeviceLow
        this.#address(4, value);
        break;
      case 0x0a4:
        this.#address(5, value);
        break;
    }
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

  /** See the transport's part of the README: `notifications`, `interrupts`, `violations`, `resets`. */
  counters(): Counters {
    return this.#state.counters();
  }

  #address(word: number, value: number): void {
    const queue = this.#state.openQueue;
    if (queue !== undefined) queue.addresses[word] = value;
  }

  #ready(value: number): void {
    const state = this.#state;
    if (value === 0) {
      if (state.queue !== undefined) state.stop(state.queue);
      return;
    }
    const queue: QueueRegisters | undefined = state.openQueue;
    if (queue !== undefined) queue.ready = (value & 1) !== 0;
  }
}

/** Puts a virtio device on the MMIO transport. */
export function virtioMmio(slot: TransportSlot, device: VirtioDevice): VirtioMmio {
  return new VirtioMmio(slot, device);
}
