import type { GuestMemory } from "./guest-memory.ts";
import type { IrqLine } from "./irq.ts";
import type { Log } from "./log.ts";
import type { MaybePromise } from "./maybe-promise.ts";
import type { MmioDevice } from "./mmio.ts";
import type { SnapshotState, Snapshottable } from "./snapshot.ts";

/** What a machine gives to each device: the place it is plugged into. */
export interface DeviceSlot {
  /** The device's name: the key under which the embedder listed it. */
  readonly name: string;
  /** Guest RAM, for DMA. */
  readonly memory: GuestMemory;
  /** The device's interrupt wire. */
  readonly irq: IrqLine;
  readonly log: Log;
  /** Registers work for the machine's close, in reverse order of registration. */
  defer(cleanup: () => MaybePromise<void>): void;
}

/** Makes a device in its slot. `virtioBlk({ backend })` returns one of these: configure, then inject. */
export type DeviceFactory<D extends Device = Device> = (slot: DeviceSlot) => D;

/** Anything that a machine can hold. */
export type Device = PlatformDevice | VirtioDevice;

/** A property of a device tree node (Devicetree Specification 0.4, section 2.2.4). Numbers are 32-bit cells. */
export type DevicetreeValue = string | readonly string[] | number | readonly number[] | true | Uint8Array;

/** A device with registers at a fixed place, which the guest finds through the device tree. */
export interface PlatformDevice extends MmioDevice, Snapshottable {
  readonly bus: "platform";
  /** Bytes of register space. */
  readonly size: number;
  /** Generic node name, such as `serial`. */
  readonly nodeName: string;
  /** Node properties without `reg` and `interrupts`, which the machine adds. */
  readonly devicetree: { readonly [property: string]: DevicetreeValue };
  /** Whether the device drives its interrupt wire. */
  readonly interrupts: boolean;
  /** Back to the state at power-on. */
  reset(): void;
}

/** What a transport gives to a virtio device once the driver has set DRIVER_OK. */
export interface VirtioActivation {
  /** Feature bits that both sides agreed on. */
  readonly features: bigint;
  /** The queues the driver enabled, by index; undefined where it enabled none. */
  readonly queues: readonly (VirtioQueue | undefined)[];
  /** Tells the driver that the configuration space changed (VIRTIO 1.2, section 2.5). */
  configChanged(): void;
  /** Puts the device into the state DEVICE_NEEDS_RESET (section 2.1.2) after a driver broke the protocol. */
  needsReset(): void;
}

/** One buffer of a descriptor chain, as a zero-copy window on guest memory. */
export interface VirtioSegment {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** A descriptor chain that the driver made available (VIRTIO 1.2, section 2.7). */
export interface VirtioChain {
  /** Index of the head descriptor. */
  readonly head: number;
  /** Device-readable buffers, in order. */
  readonly readable: readonly VirtioSegment[];
  /** Device-writable buffers, in order. */
  readonly writable: readonly VirtioSegment[];
  /** Total bytes in {@link readable}. */
  readonly readableLength: number;
  /** Total bytes in {@link writable}. */
  readonly writableLength: number;
}

/** The device side of one virtqueue. */
export interface VirtioQueue {
  /** Entries in the queue. */
  readonly size: number;
  /** Takes the next available chain; undefined when there is none or the ring is broken (then the device is told to reset). */
  pop(): VirtioChain | undefined;
  /** Gives a chain back; `written` bytes of its writable buffers, from the first on, hold data. Marks them dirty. */
  push(chain: VirtioChain, written: number): void;
  /** Interrupts the driver if it asked for it (section 2.7.7). Call after a batch of {@link push}. */
  notify(): void;
}

/** A virtio device without its transport. The transport owns status, feature negotiation and queue selection. */
export interface VirtioDevice {
  readonly bus: "virtio";
  /** Device type (VIRTIO 1.2, section 5). */
  readonly id: number;
  /** Feature bits offered, VIRTIO_F_VERSION_1 and ring features not included: the transport adds those. */
  readonly features: bigint;
  /** Largest size of each queue: powers of two. */
  readonly queueSizes: readonly number[];
  /** Configuration space, little-endian. */
  readonly config: {
    readonly size: number;
    read(offset: number, size: 1 | 2 | 4): number;
    write(offset: number, size: 1 | 2 | 4, value: number): void;
  };
  /** The driver is ready: queues may be used from now on. */
  activate(activation: VirtioActivation): void;
  /** The driver made buffers available in queue `index`. */
  notify(index: number): void;
  /** Back to power-on state. Work in flight must not touch queues or memory any more. */
  reset(): void;
  save(): SnapshotState;
  restore(state: SnapshotState): void;
}
