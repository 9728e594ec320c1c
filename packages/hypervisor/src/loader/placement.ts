import { bytesForMessage, imageError, VmError } from "../errors.ts";
import type { MemoryRange } from "./image-plan.ts";

/** Where the parts that no image places itself go. All GPAs. */
export interface Placement {
  /** First byte of the initrd; undefined without one. */
  readonly initrd: number | undefined;
  /** The structure that firmware is given in `a2`. */
  readonly firmwareInfo: number;
  /** The flattened device tree, the last thing in RAM, with room behind it for firmware that extends it. */
  readonly devicetree: number;
}

const PAGE = 4096;
const LARGE_PAGE = 2 << 20;

/** Bytes behind the device tree that firmware may extend it into. */
const DEVICETREE_SLACK = 16 << 10;

/**
 * Places initrd and device tree above the images, which end at `end`: the initrd above them, the device tree at the top
 * of RAM. Both lie at a multiple of 2 MiB where there is room for that: Linux reserves its own image up to one.
 */
export function placeTables(
  memory: MemoryRange,
  end: number,
  sizes: { readonly initrd: number | undefined; readonly devicetree: number },
): Placement {
  return (
    tryAlignment(memory, end, sizes, LARGE_PAGE) ??
    tryAlignment(memory, end, sizes, PAGE) ??
    noRoom(memory, end, sizes)
  );
}

type Sizes = Parameters<typeof placeTables>[2];

function tryAlignment(
  memory: MemoryRange,
  end: number,
  sizes: Sizes,
  alignment: number,
): Placement | undefined {
  const initrd = sizes.initrd === undefined ? undefined : alignUp(end, alignment);
  const imagesEnd = initrd === undefined ? end : initrd + (sizes.initrd ?? 0);
  const devicetree = alignDown(memory.base + memory.size - sizes.devicetree - DEVICETREE_SLACK, alignment);
  const firmwareInfo = devicetree - PAGE;
  return firmwareInfo >= imagesEnd ? { initrd, firmwareInfo, devicetree } : undefined;
}

function noRoom(memory: MemoryRange, end: number, sizes: Sizes): never {
  const tables = sizes.devicetree + DEVICETREE_SLACK + 2 * PAGE;
  const needed = bytesForMessage(alignUp(end - memory.base + (sizes.initrd ?? 0) + tables, PAGE));
  if (sizes.initrd !== undefined) {
    const text =
      `does not fit: its ${bytesForMessage(sizes.initrd)} above the kernel need ${needed} of guest memory ` +
      `and there are ${bytesForMessage(memory.size)}; raise \`memory\``;
    throw imageError("INITRD", "TOO_LARGE", text);
  }
  const text = `guest memory has no room for the device tree: ${needed} are needed; raise \`memory\``;
  throw new VmError("ERR_DEVICETREE_TOO_LARGE", text);
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}
