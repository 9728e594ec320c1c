/**
 * What a test of a device needs: guest memory, and a guest's virtio driver for both transports.
 *
 * @packageDocumentation
 */
export { memoryNetwork } from "../net/memory-network.ts";
export { type Driver, type DriverOptions, startDriver } from "./driver.ts";
export { type DriverBuffer, DriverQueue, type DriverQueueOptions, type UsedChain } from "./driver-queue.ts";
export type { DriverTransport } from "./driver-transport.ts";
export { type TestMemory, testMemory } from "./memory.ts";
export { mmioTransport } from "./mmio-transport.ts";
export { type PciTransportOptions, pciTransport } from "./pci-transport.ts";
