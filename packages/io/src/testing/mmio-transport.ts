import type { MmioBus } from "@isomorph/interface";
import type { DriverTransport } from "./driver-transport.ts";

/** Drives the virtio-mmio registers at `base` (VIRTIO 1.2, section 4.2). Throws when no such device is there. */
export function mmioTransport(bus: MmioBus, base: number): DriverTransport {
  const read = (offset: number): number => bus.read(base + offset, 4);
  const write = (offset: number, value: number): void => bus.write(base + offset, 4, value);
  if (read(0x000) !== 0x74726976 || read(0x004) !== 2) throw new Error(`no virtio-mmio device at ${base}`);
  const address = (offset: number, gpa: number): void => {
    write(offset, gpa % 2 ** 32);
    write(offset + 4, Math.floor(gpa / 2 ** 32));
  };
  return {
    deviceId: read(0x008),
    readStatus: () => read(0x070),
    writeStatus: (value) => write(0x070, value),
    readFeatures() {
      write(0x014, 0);
      const low = read(0x010);
      write(0x014, 1);
      return BigInt(low) | (BigInt(read(0x010)) << 32n);
    },
    writeFeatures(features) {
      write(0x024, 0);
      write(0x020, Number(features & 0xffff_ffffn));
      write(0x024, 1);
      write(0x020, Number(features >> 32n));
    },
    maxQueueSize(index) {
      write(0x030, index);
      return read(0x034);
    },
    enableQueue(index, size, descriptors, available, used) {
      write(0x030, index);
      write(0x038, size);
      address(0x080, descriptors);
      address(0x090, available);
      address(0x0a0, used);
      write(0x044, 1);
    },
    notify: (index) => write(0x050, index),
    takeInterrupts() {
      const bits = read(0x060);
      write(0x064, bits);
      return bits;
    },
    configGeneration: () => read(0x0fc),
    readConfig: (offset, size) => bus.read(base + 0x100 + offset, size),
    writeConfig: (offset, size, value) => bus.write(base + 0x100 + offset, size, value),
  };
}
