import type { Processor } from "@isomorph/cpu";
import type { DevicetreeValue, PlatformDevice } from "@isomorph/interface";
import { cellPair, type DevicetreeNode, flattenDevicetree } from "../fdt/writer.ts";
import { MEMORY_MAP, type Window } from "./memory-map.ts";

/** A device and its place. */
export interface PlacedDevice {
  readonly device: Pick<PlatformDevice, "nodeName" | "devicetree">;
  readonly window: Window;
  /** Its source at the PLIC; undefined when it does not interrupt. */
  readonly source: number | undefined;
}

/** The fixed parts of a machine that its device tree tells of. */
export interface DevicetreeInput {
  readonly processor: Pick<Processor, "devicetree" | "memory">;
  readonly harts: number;
  /** Ticks per second of `time`. */
  readonly timebaseFrequency: number;
  /** Real M-mode firmware runs: it is told of the CLINT and its memory is reserved. */
  readonly firmware: Window | undefined;
  readonly plic: PlacedDevice;
  /** Only where M-mode firmware runs. */
  readonly clint: PlacedDevice | undefined;
  readonly test: PlacedDevice;
  /** All other devices, in the order in which they are to be found. */
  readonly devices: readonly PlacedDevice[];
  /** Nodes under `/soc` that describe themselves, such as a PCI host bridge. They refer to {@link phandles}. */
  readonly nodes: (plic: number) => { readonly [name: string]: DevicetreeNode };
}

/** What differs from one start of the machine to the next. */
export interface BootParameters {
  readonly cmdline: string;
  readonly initrd: Window | undefined;
  readonly rngSeed: Uint8Array;
}

/** Local interrupts of a hart (RISC-V privileged architecture, table of interrupt causes). */
const SUPERVISOR_EXTERNAL = 9;
const MACHINE_EXTERNAL = 11;
const MACHINE_SOFTWARE = 3;
const MACHINE_TIMER = 7;

/** The local interrupts that the PLIC drives at each hart, in the order of its contexts. */
export function plicContexts(hasFirmware: boolean): readonly number[] {
  return hasFirmware ? [MACHINE_EXTERNAL, SUPERVISOR_EXTERNAL] : [SUPERVISOR_EXTERNAL];
}

/** The device tree of the machine as a blob. Its size does not depend on the values in `boot.rngSeed`. */
export function machineDevicetree(input: DevicetreeInput, boot: BootParameters): Uint8Array {
  const { memory } = input.processor;
  const hartIds = Array.from({ length: input.harts }, (_, hart) => hart);
  const hartHandle = (hart: number) => hart + 1;
  const plicHandle = input.harts + 1;
  const testHandle = input.harts + 2;
  const extended = (causes: readonly number[]) =>
    hartIds.flatMap((hart) => causes.flatMap((cause) => [hartHandle(hart), cause]));

  const soc: Record<string, DevicetreeNode> = {};
  addDevice(soc, input.test, { phandle: testHandle });
  const { clint } = input;
  if (clint !== undefined) {
    addDevice(soc, clint, { "interrupts-extended": extended([MACHINE_SOFTWARE, MACHINE_TIMER]) });
  }
  const plicCauses = plicContexts(input.firmware !== undefined);
  addDevice(soc, input.plic, { "interrupts-extended": extended(plicCauses), phandle: plicHandle });
  for (const placed of input.devices) {
    const { source } = placed;
    addDevice(
      soc,
      placed,
      source === undefined ? {} : { interrupts: source, "interrupt-parent": plicHandle },
    );
  }
  Object.assign(soc, input.nodes(plicHandle));

  const root: DevicetreeNode = {
    properties: {
      "#address-cells": 2,
      "#size-cells": 2,
      compatible: ["isomorph,virt", "riscv-virtio"],
      model: "isomorph,virt",
    },
    children: {
      chosen: { properties: chosen(input, boot) },
      [`memory@${MEMORY_MAP.ram.toString(16)}`]: {
        properties: { device_type: "memory", reg: [...cellPair(memory.base), ...cellPair(memory.size)] },
      },
      cpus: cpus(input, hartIds, hartHandle),
      soc: {
        properties: { "#address-cells": 2, "#size-cells": 2, compatible: "simple-bus", ranges: true },
        children: soc,
      },
      poweroff: syscon("syscon-poweroff", testHandle, 0x5555),
      reboot: syscon("syscon-reboot", testHandle, 0x7777),
    },
  };
  // Firmware that knows its own extent adds a node for it to the tree; one from us would only overlap with that.
  const { firmware } = input;
  const reservations = firmware === undefined ? [] : [{ gpa: firmware.base, size: firmware.size }];
  return flattenDevicetree(root, { reservations });
}

function addDevice(
  soc: Record<string, DevicetreeNode>,
  { device, window }: PlacedDevice,
  properties: Readonly<Record<string, DevicetreeValue>>,
): void {
  const reg = [...cellPair(window.base), ...cellPair(window.size)];
  soc[deviceNode(device.nodeName, window.base)] = {
    properties: { ...device.devicetree, reg, ...properties },
  };
}

function deviceNode(name: string, base: number): string {
  return `${name}@${base.toString(16)}`;
}

function chosen(input: DevicetreeInput, boot: BootParameters): Record<string, DevicetreeValue> {
  const { initrd, cmdline } = boot;
  const console = input.devices.find(({ device }) => device.nodeName === "serial");
  return {
    ...(console === undefined ? {} : { "stdout-path": `/soc/${deviceNode("serial", console.window.base)}` }),
    ...(cmdline === "" ? {} : { bootargs: cmdline }),
    ...(initrd === undefined
      ? {}
      : {
          "linux,initrd-start": cellPair(initrd.base),
          "linux,initrd-end": cellPair(initrd.base + initrd.size),
        }),
    "rng-seed": boot.rngSeed,
  };
}

function cpus(
  input: DevicetreeInput,
  hartIds: readonly number[],
  hartHandle: (hart: number) => number,
): DevicetreeNode {
  const { isa, isaExtensions, mmuType, cacheBlockSize } = input.processor.devicetree;
  const children: Record<string, DevicetreeNode> = {};
  for (const hart of hartIds) {
    children[`cpu@${hart}`] = {
      properties: {
        device_type: "cpu",
        reg: hart,
        status: "okay",
        compatible: "riscv",
        "riscv,isa": isa,
        "riscv,isa-base": "rv64i",
        "riscv,isa-extensions": isaExtensions,
        "mmu-type": mmuType,
        ...(isaExtensions.includes("zicbom") ? { "riscv,cbom-block-size": cacheBlockSize } : {}),
        ...(isaExtensions.includes("zicboz") ? { "riscv,cboz-block-size": cacheBlockSize } : {}),
      },
      children: {
        "interrupt-controller": {
          properties: {
            "#address-cells": 0,
            "#interrupt-cells": 1,
            "interrupt-controller": true,
            compatible: "riscv,cpu-intc",
            phandle: hartHandle(hart),
          },
        },
      },
    };
  }
  return {
    properties: { "#address-cells": 1, "#size-cells": 0, "timebase-frequency": input.timebaseFrequency },
    children,
  };
}

function syscon(compatible: string, regmap: number, value: number): DevicetreeNode {
  return { properties: { compatible, regmap, offset: 0, value } };
}
