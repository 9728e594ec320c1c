/**
 * Buses, interrupt controllers and devices, virtio among them.
 *
 * @packageDocumentation
 */
export { MemoryMappedBus } from "./bus/memory-mapped-bus.ts";
export type { Counters } from "./counters.ts";
export type { BytePort } from "./host/byte-port.ts";
export type { SerialPort } from "./host/serial-port.ts";
export {
  Clint,
  type ClintOptions,
  clint,
  Mswi,
  Mtimer,
  type MtimerOptions,
  Sswi,
} from "./interrupt/aclint.ts";
export { Plic, type PlicOptions, plic } from "./interrupt/plic.ts";
export { sharedLine } from "./interrupt/shared-line.ts";
export { type MemoryNetwork, memoryNetwork } from "./net/memory-network.ts";
export { PciConfigSpace, type PciIdentity } from "./pci/config-space.ts";
export {
  type PciFunction,
  PciHost,
  type PciHostOptions,
  type PciInterruptRoute,
  pciHost,
} from "./pci/pci-host.ts";
export { FINISHER, SifiveTest, type SifiveTestOptions, sifiveTest } from "./power/sifive-test.ts";
export { GoldfishRtc, type GoldfishRtcOptions, goldfishRtc } from "./rtc/goldfish-rtc.ts";
export { Uart16550, type Uart16550Options, uart16550 } from "./uart/uart16550.ts";
export { VirtioBlk, type VirtioBlkOptions, virtioBlk } from "./virtio/blk.ts";
export { VirtioConsole, type VirtioConsoleOptions, virtioConsole } from "./virtio/console.ts";
export { VirtioMmio, virtioMmio } from "./virtio/mmio.ts";
export { VirtioNet, type VirtioNetOptions, virtioNet } from "./virtio/net.ts";
export { VirtioPci, virtioPci } from "./virtio/pci.ts";
export { SplitQueue, type SplitQueueOptions } from "./virtio/queue.ts";
export { VirtioRng, type VirtioRngOptions, virtioRng } from "./virtio/rng.ts";
export {
  VirtioSerialPorts,
  type VirtioSerialPortsOptions,
  virtioSerialPorts,
} from "./virtio/serial-ports.ts";
export type { TransportSlot } from "./virtio/transport.ts";
