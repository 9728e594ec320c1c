import type { MmioBus } from "@isomorph/interface";
import type { DriverTransport } from "./driver-transport.ts";

const DEVICE_SPACE = 0x8000;

/** Where a {@link pciTransport} finds its device, and where it puts its BARs. */
export interface PciTransportOptions {
  /** GPA of the ECAM region. */
  readonly ecam: number;
  /** Device number on bus 0. */
  readonly device: number;
  /** GPA in the host bridge's window for the BARs, aligned to 64 KiB. */
  readonly window: number;
}

/**
 * Drives a virtio-pci device as a guest does (VIRTIO 1.2, section 4.1): sizes and places its BARs, walks the
 * capabilities, and uses the structures that they point at. Throws when there is no such device.
 */
export function pciTransport(bus: MmioBus, options: PciTransportOptions): DriverTransport {
  const config = options.ecam + options.device * DEVICE_SPACE;
  const byte = (offset: number): number => bus.read(config + offset, 1);
  const word = (offset: number): number => bus.read(config + offset, 4);
  const identity = word(0x00);
  if ((identity & 0xffff) !== 0x1af4 || identity >>> 16 < 0x1040) {
    throw new Error(`no virtio-pci device in slot ${options.device}: ${identity.toString(16)}`);
  }
  const bars = placeBars(bus, config, options.window);
  bus.write(config + 0x04, 2, 0x0006);

  const places = new Map<number, number>();
  let multiplier = 0;
  for (let at = byte(0x34), left = 48; at !== 0 && left > 0; at = byte(at + 1), left--) {
    if (byte(at) !== 0x09) continue;
    const type = byte(at + 3);
    const base = bars[byte(at + 4)];
    if (type > 4 || places.has(type) || base === undefined) continue;
    places.set(type, base + word(at + 8));
    if (type === 2) multiplier = word(at + 16);
  }
  const place = (type: number): number => {
    const gpa = places.get(type);
    if (gpa === undefined) throw new Error(`virtio-pci: no capability of type ${type}`);
    return gpa;
  };
  const common = place(1);
  const select = (index: number): void => bus.write(common + 0x16, 2, index);
  const address = (offset: number, gpa: number): void => {
    bus.write(common + offset, 4, gpa % 2 ** 32);
    bus.write(common + offset + 4, 4, Math.floor(gpa / 2 ** 32));
  };
  return {
    deviceId: (identity >>> 16) - 0x1040,
    readStatus: () => bus.read(common + 0x14, 1),
    writeStatus: (value) => bus.write(common + 0x14, 1, value),
    readFeatures() {
      bus.write(common, 4, 0);
      const low = bus.read(common + 0x04, 4);
      bus.write(common, 4, 1);
      return BigInt(low) | (BigInt(bus.read(common + 0x04, 4)) << 32n);
    },
    writeFeatures(features) {
      bus.write(common + 0x08, 4, 0);
      bus.write(common + 0x0c, 4, Number(features & 0xffff_ffffn));
      bus.write(common + 0x08, 4, 1);
      bus.write(common + 0x0c, 4, Number(features >> 32n));
    },
    maxQueueSize(index) {
      select(index);
      return bus.read(common + 0x18, 2);
    },
    enableQueue(index, size, descriptors, available, used) {
      select(index);
      bus.write(common + 0x18, 2, size);
      address(0x20, descriptors);
      address(0x28, available);
      address(0x30, used);
      bus.write(common + 0x1c, 2, 1);
    },
    notify(index) {
      select(index);
      bus.write(place(2) + bus.read(common + 0x1e, 2) * multiplier, 2, index);
    },
    takeInterrupts: () => bus.read(place(3), 1),
    configGeneration: () => bus.read(common + 0x15, 1),
    readConfig: (offset, size) => bus.read(place(4) + offset, size),
    writeConfig: (offset, size, value) => bus.write(place(4) + offset, size, value),
  };
}

/** Sizes each 32-bit memory BAR and places it; gives their addresses by index (PCI 3.0, section 6.2.5.1). */
function placeBars(bus: MmioBus, config: number, window: number): (number | undefined)[] {
  const bars: (number | undefined)[] = [];
  let next = window;
  for (let index = 0; index < 6; index++) {
    const at = config + 0x10 + index * 4;
    bus.write(at, 4, 0xffffffff);
    const mask = bus.read(at, 4) & ~0xf;
    if (mask === 0) continue;
    const size = (~mask + 1) >>> 0;
    next = Math.ceil(next / size) * size;
    bus.write(at, 4, next);
    bars[index] = next;
    next += size;
  }
  return bars;
}
