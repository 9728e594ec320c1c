import type { IrqLine } from "@isomorph/interface";
import { type MemoryMappedBus, pciHost, virtioPci } from "@isomorph/io";
import { cellPair } from "../fdt/writer.ts";
import type { Allocator } from "./allocator.ts";
import { IRQ, MEMORY_MAP } from "./memory-map.ts";
import type { Transports } from "./transports.ts";

/** Virtio devices as functions of one PCI bus behind a generic host bridge (VIRTIO 1.2, section 4.1). */
export function pciTransports(
  bus: MemoryMappedBus,
  allocator: Allocator,
  line: (source: number) => IrqLine,
): Transports {
  const pin = (index: number) => allocator.source(IRQ.pci + index, "pci");
  const pins: [number, number, number, number] = [pin(0), pin(1), pin(2), pin(3)];
  const host = pciHost({
    window: MEMORY_MAP.pciMemory,
    lines: [line(pins[0]), line(pins[1]), line(pins[2]), line(pins[3])],
  });
  const ecam = allocator.claim({ base: MEMORY_MAP.pciEcam.base, size: host.ecamSize }, "pci");
  allocator.claim(host.window, "pci");
  bus.add(ecam.base, ecam.size, host.ecam, "pci");
  bus.add(host.window.base, host.window.size, host.memory, "pci memory");
  const functions = new Map<string, ReturnType<typeof virtioPci>>();

  return {
    placed: [],
    nodes(plic) {
      const properties = {
        ...host.devicetree({ phandle: plic, sources: pins }),
        reg: [...cellPair(ecam.base), ...cellPair(ecam.size)],
      };
      return { [`${host.nodeName}@${ecam.base.toString(16)}`]: { properties } };
    },
    attach({ name, memory, log }, device) {
      functions.set(
        name,
        host.add(name, (irq) => virtioPci({ name, memory, irq, log }, device)),
      );
    },
    reset: () => host.reset(),
    counters: () =>
      Object.fromEntries([...functions].map(([name, transport]) => [name, transport.counters()])),
  };
}
