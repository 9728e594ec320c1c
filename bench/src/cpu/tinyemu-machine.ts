import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assemble } from "@isomorph/cpu/asm";
import {
  cellPair,
  type DevicetreeNode,
  flattenDevicetree,
} from "../../../packages/hypervisor/src/fdt/writer.ts";

const source = fileURLToPath(new URL("../../guests/tinyemu-firmware.s", import.meta.url));

const RAM = 0x80000000;
const RAM_SIZE = 1024 ** 3;
/** The kernel follows; firmware and device tree have to fit in before it. */
const FIRMWARE_SIZE = 2 * 1024 ** 2;

/** Phandles. */
const HART = 1;
const PLIC = 2;

/** Writes firmware for TinyEMU with a device tree that today's kernels take. @returns the file's name. */
export async function tinyemuFirmware(bootargs: string, folder: string): Promise<string> {
  const { bytes } = assemble(await readFile(source, "utf8"), { origin: RAM });
  const tree = flattenDevicetree(machine(bootargs));
  if (bytes.length + tree.length > FIRMWARE_SIZE) throw new Error("TinyEMU's firmware is too large");
  const file = join(await mkdtemp(join(folder, "tinyemu-")), "firmware.bin");
  await writeFile(file, Buffer.concat([bytes, tree]));
  return file;
}

/**
 * TinyEMU's bare machine (riscv_machine.c) as the kernel has to know it. Its own tree says less, and spells the
 * extensions in an order that is no longer taken.
 */
function machine(bootargs: string): DevicetreeNode {
  const cells = { "#address-cells": 2, "#size-cells": 2 };
  const range = (base: number, size: number): number[] => [...cellPair(base), ...cellPair(size)];
  return {
    properties: { ...cells, compatible: "ucbbar,riscvemu-bar_dev", model: "TinyEMU" },
    children: {
      chosen: { properties: { bootargs } },
      "memory@80000000": { properties: { device_type: "memory", reg: range(RAM, RAM_SIZE) } },
      "reserved-memory": {
        properties: { ...cells, ranges: true },
        children: { "firmware@80000000": { properties: { reg: range(RAM, FIRMWARE_SIZE) } } },
      },
      cpus: {
        properties: { "#address-cells": 1, "#size-cells": 0, "timebase-frequency": 10_000_000 },
        children: {
          "cpu@0": {
            properties: {
              device_type: "cpu",
              reg: 0,
              status: "okay",
              compatible: "riscv",
              "riscv,isa": "rv64imafdc",
              "mmu-type": "riscv,sv39",
            },
            children: {
              "interrupt-controller": {
                properties: {
                  "#interrupt-cells": 1,
                  "interrupt-controller": true,
                  compatible: "riscv,cpu-intc",
                  phandle: HART,
                },
              },
            },
          },
        },
      },
      soc: {
        properties: { ...cells, compatible: "simple-bus", ranges: true },
        children: {
          "plic@40100000": {
            properties: {
              "#address-cells": 0,
              "#interrupt-cells": 1,
              "interrupt-controller": true,
              compatible: "riscv,plic0",
              "riscv,ndev": 31,
              reg: range(0x40100000, 0x400000),
              // Its one context is S-mode's.
              "interrupts-extended": [HART, 9],
              phandle: PLIC,
            },
          },
          // The console, the only device when there are no drives.
          "virtio@40010000": {
            properties: {
              compatible: "virtio,mmio",
              reg: range(0x40010000, 0x1000),
              "interrupts-extended": [PLIC, 1],
            },
          },
        },
      },
    },
  };
}
