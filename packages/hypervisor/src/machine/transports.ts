import type { DeviceSlot, PlatformDevice, VirtioDevice } from "@isomorph/interface";
import { virtioMmio } from "@isomorph/io";
import type { DevicetreeNode } from "../fdt/writer.ts";
import type { PlacedDevice } from "./devicetree.ts";
import type { Wire } from "./wire.ts";

/** How virtio devices come to the machine. */
export interface Transports {
  /** Transports that are devices of their own in the device tree; grows with each {@link attach}. */
  readonly placed: readonly PlacedDevice[];
  /** Nodes that describe themselves. `plic` is the interrupt controller's phandle. */
  nodes(plic: number): { readonly [name: string]: DevicetreeNode };
  /** Attaches a device that was made in `slot`, whose interrupt wire `wire` is. */
  attach(slot: DeviceSlot, device: VirtioDevice, wire: Wire): void;
  /** Resets all transports, and with them their devices. */
  reset(): void;
  /** Counters of the transports, by device name. */
  counters(): { readonly [device: string]: Readonly<Record<string, number>> };
}

/** Each virtio device in a register window of its own (VIRTIO 1.2, section 4.2). */
export function mmioTransports(
  place: (name: string, device: PlatformDevice, wire: Wire) => PlacedDevice,
): Transports {
  const placed: PlacedDevice[] = [];
  const transports = new Map<string, ReturnType<typeof virtioMmio>>();
  return {
    placed,
    nodes: () => ({}),
    attach(slot, device, wire) {
      const transport = virtioMmio(slot, device);
      transports.set(slot.name, transport);
      placed.push(place(slot.name, transport, wire));
    },
    reset() {
      for (const transport of transports.values()) transport.reset();
    },
    counters: () =>
      Object.fromEntries([...transports].map(([name, transport]) => [name, transport.counters()])),
  };
}
