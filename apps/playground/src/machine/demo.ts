import { demoDisk, demoKernel } from "@isomorph/cli/demo";
import { memoryDisk } from "@isomorph/storage/memory";
import type { Guest } from "./guest.ts";

/** The built-in guest, with a disk in memory. */
export function openDemo(): Guest {
  // It drives its disk by registers at a fixed address.
  return {
    boot: { kernel: demoKernel(), cmdline: "", transport: "mmio" },
    disk: memoryDisk({ bytes: demoDisk() }),
  };
}
