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
 * Places initrd and device tree above the images, which end at `end`: the initrd directly above them, the device tree
 * at the top of RAM, at a multiple of 2 MiB where there is room to be so generous.
 */
export function placeTables(
  memory: MemoryRange,
  end: number,
  sizes: { readonly initrd: number | undefined; readonly devicetree: number },
): Placement {
  const top = memory.base + memory.size;
  const initrd = sizes.initrd === undefined ? undefined : alignUp(end, PAGE);
  const imagesEnd = initrd === undefined ? end : initrd + (sizes.initrd ?? 0);
  const room = top - sizes.devicetree - DEVICETREE_SLACK;
  let devicetree = alignDown(room, LARGE_PAGE);
  if (devicetree - PAGE < imagesEnd) devicetree = alignDown(room, PAGE);
  if (devicetree - PAGE < imagesEnd) {
    const missing = imagesEnd - (devicetree - PAGE);
    const needed = bytesForMessage(memory.size + alignUp(missing, PAGE));
    if (initrd !== undefined) {
      const text =
        `does not fit: its ${bytesForMessage(sizes.initrd ?? 0)} above the kernel need ${needed} of guest memory ` +
        `and there are ${bytesForMessage(memory.size)}; raise \`memory\``;
      throw imageError("INITRD", "TOO_LARGE", text);
    }
    const text = `guest memory has no room for the device tree: ${needed} are needed; raise \`memory\``;
    throw new VmError("ERR_DEVICETREE_TOO_LARGE", text);
  }
  return { initrd, firmwareInfo: devicetree - PAGE, devicetree };
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}
