/**
 * The typed contracts between isomorph's packages: what has an implementer and a consumer in different packages.
 *
 * @packageDocumentation
 */
export type { BlockBackend, Extent, WriteOptions, WriteZeroesOptions } from "./block.ts";
export type { Clock } from "./clock.ts";
export type {
  Device,
  DeviceFactory,
  DeviceSlot,
  DevicetreeValue,
  PlatformDevice,
  VirtioActivation,
  VirtioChain,
  VirtioDevice,
  VirtioQueue,
  VirtioSegment,
} from "./device.ts";
export type { GuestMemory } from "./guest-memory.ts";
export type { IrqLine } from "./irq.ts";
export type { Log, LogLevel } from "./log.ts";
export type { MaybePromise } from "./maybe-promise.ts";
export type { MmioBus, MmioDevice, MmioSize } from "./mmio.ts";
export type { NetPort } from "./net.ts";
export type { SnapshotState, Snapshottable, SnapshotValue } from "./snapshot.ts";
export type { Vcpu, VmExit } from "./vcpu.ts";
