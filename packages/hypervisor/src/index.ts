/**
 * Virtual machines: harts, memory, devices and firmware.
 *
 * @packageDocumentation
 */
export type { CounterDescription, Hart, ProcessorFactory } from "@isomorph/cpu";
export type { DeviceFactories, DevicesOf, VmConfig } from "./config.ts";
export { describeCounter } from "./counter-descriptions.ts";
export type { ImageFault, ImageKind, VmError, VmErrorCode } from "./errors.ts";
export { cellPair, type DevicetreeNode, type FlattenOptions, flattenDevicetree } from "./fdt/writer.ts";
export { type HtifOptions, type HtifSymbols, htifSymbols, signatureText } from "./htif.ts";
export { elfSymbols } from "./loader/elf.ts";
export { linuxImage } from "./loader/linux-image.ts";
export type { ImageSource } from "./loader/machine-images.ts";
export type { VmOutcome } from "./outcome.ts";
export type { CpuProfile, CpuProfileNode } from "./profiler/cpuprofile.ts";
export type { Profile, ProfiledFunction } from "./profiler/profile.ts";
export type { ProfileOptions, Profiler } from "./profiler/profiler.ts";
export type { DebugConsole } from "./sbi/contract.ts";
export type { HartHandle, HartStart, HartThreads } from "./threads/hart-threads.ts";
export { createVm, type RunOptions, type Vm } from "./vm.ts";
