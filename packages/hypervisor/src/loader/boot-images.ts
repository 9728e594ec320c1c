import type { GuestMemory } from "@isomorph/interface";
import { imageError } from "../errors.ts";
import { FIRMWARE_SPACE, fwDynamicInfo, planFirmware } from "./firmware.ts";
import type { ImagePlan, MemoryRange } from "./image-plan.ts";
import { checkInitrd } from "./initrd.ts";
import { planKernel } from "./kernel.ts";
import { placeTables } from "./placement.ts";

/** The images of a machine, as the embedder gives them. */
export interface ImageFiles {
  readonly kernel: Uint8Array | undefined;
  readonly initrd: Uint8Array | undefined;
  readonly firmware: Uint8Array | undefined;
}

/** Images that have been checked and have their places. */
export interface BootImages {
  readonly kernel: ImagePlan | undefined;
  readonly firmware: ImagePlan | undefined;
  readonly initrd: Uint8Array | undefined;
}

/** How the boot hart starts. */
export interface BootStart {
  readonly entry: number;
  /** GPA of the device tree, for `a1`. */
  readonly devicetree: number;
  /** GPA of `struct fw_dynamic_info`, for `a2`. */
  readonly firmwareInfo: number;
}

/** Checks the images and decides where they go. Throws a `VmError` that says what is wrong with which image. */
export async function planImages(
  files: ImageFiles,
  memory: MemoryRange,
  signal: AbortSignal | undefined,
): Promise<BootImages> {
  const { initrd } = files;
  const firmware = files.firmware === undefined ? undefined : planFirmware(files.firmware, memory);
  const firmwareEnd =
    firmware === undefined ? memory.base : Math.max(memory.base + FIRMWARE_SPACE, firmware.end);
  const kernel =
    files.kernel === undefined ? undefined : await planKernel(files.kernel, memory, firmwareEnd, signal);
  for (const segment of kernel?.segments ?? []) {
    for (const other of firmware?.segments ?? []) {
      if (segment.gpa < other.gpa + other.size && other.gpa < segment.gpa + segment.size) {
        const place = `0x${segment.gpa.toString(16)}`;
        throw imageError(
          "KERNEL",
          "FORMAT",
          `goes to ${place}, where the firmware lies; link it for a higher address`,
        );
      }
    }
  }
  if (initrd !== undefined) checkInitrd(initrd);
  return { kernel, firmware, initrd };
}

/**
 * Writes images, initrd, device tree and firmware information to guest memory.
 *
 * @param devicetree - Makes the blob; its size must not depend on where the initrd is.
 */
export function placeImages(
  images: BootImages,
  memory: GuestMemory,
  devicetree: (initrd: { base: number; size: number } | undefined) => Uint8Array,
): BootStart {
  const { kernel, firmware, initrd } = images;
  const placeInitrd = (base: number) => (initrd === undefined ? undefined : { base, size: initrd.length });
  const end = Math.max(memory.base, kernel?.end ?? 0, firmware?.end ?? 0);
  const places = placeTables(memory, end, {
    initrd: initrd?.length,
    devicetree: devicetree(placeInitrd(0)).length,
  });
  for (const plan of [firmware, kernel]) {
    for (const { gpa, bytes, size } of plan?.segments ?? []) write(memory, gpa, bytes, size);
  }
  if (initrd !== undefined && places.initrd !== undefined) write(memory, places.initrd, initrd);
  const next = kernel?.entry ?? memory.base + FIRMWARE_SPACE;
  write(memory, places.firmwareInfo, fwDynamicInfo(next));
  write(memory, places.devicetree, devicetree(placeInitrd(places.initrd ?? 0)));
  const entry = firmware?.entry ?? kernel?.entry ?? memory.base;
  return { entry, devicetree: places.devicetree, firmwareInfo: places.firmwareInfo };
}

function write(memory: GuestMemory, gpa: number, bytes: Uint8Array, size = bytes.length): void {
  const at = gpa - memory.base;
  memory.bytes.set(bytes, at);
  memory.bytes.fill(0, at + bytes.length, at + size);
  memory.markDirty(gpa, size);
}
