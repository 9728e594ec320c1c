import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

/** RAM starts here, and 2 MiB on the kernel, on every machine that is measured. */
const KERNEL_ADDRESS = 0x80200000;

/** Beyond the kernel, with what it uses after its file's end, and beyond the device tree that OpenSBI puts at 34 MiB. */
const INITRD_ADDRESS = 0x84000000;

/** Kernel and initrd in one. */
export interface JoinedImage {
  readonly image: string;
  /** What tells the kernel of its initrd: `initrd=ADDRESS,SIZE` (kernel-parameters.txt). */
  readonly option: string;
}

/** Joins kernel and initrd to one image, for emulators that load no initrd. */
export async function kernelWithInitrd(kernel: string, initrd: string, folder: string): Promise<JoinedImage> {
  const program = await readFile(kernel);
  const archive = await readFile(initrd);
  const gap = INITRD_ADDRESS - KERNEL_ADDRESS - program.length;
  if (gap < 0) throw new Error(`${kernel} is too large to be joined with an initrd`);
  const image = join(folder, `kernel-with-${basename(initrd)}`);
  await writeFile(image, Buffer.concat([program, new Uint8Array(gap), archive]));
  return { image, option: `initrd=0x${INITRD_ADDRESS.toString(16)},${archive.length}` };
}
