import { imageError } from "../errors.ts";
import { identify } from "./identify.ts";

/** Bytes in the header of a `newc` cpio entry (Documentation/driver-api/early-userspace/buffer-format). */
const CPIO_HEADER = 110;

/**
 * Checks an initial RAM disk before it is given to the guest: not empty, not something else by mistake, and, where it
 * starts with an uncompressed archive, not cut short. What compressed data holds is for the kernel to say.
 */
export function checkInitrd(bytes: Uint8Array): void {
  if (bytes.length === 0) throw imageError("INITRD", "EMPTY", "is empty (0 bytes)");
  const identity = identify(bytes);
  if (identity?.format === "elf") throw imageError("INITRD", "FORMAT", "is an ELF file, not an archive");
  if (identity?.format === "linux-riscv") {
    throw imageError("INITRD", "FORMAT", "is a Linux kernel; were kernel and initrd exchanged?");
  }
  if (identity?.format === "foreign" && identity.fault === "ARCHITECTURE") {
    throw imageError("INITRD", "FORMAT", `is ${identity.name}, not an archive`);
  }
  checkCpio(bytes);
}

/** Walks the entries of an uncompressed archive up to its trailer. */
function checkCpio(bytes: Uint8Array): void {
  for (let at = 0; isNewcHeader(bytes, at); ) {
    if (at + CPIO_HEADER > bytes.length) throw cutShort(bytes);
    const size = hexField(bytes, at + 54);
    const nameSize = hexField(bytes, at + 94);
    const nameAt = at + CPIO_HEADER;
    const dataAt = align4(nameAt + nameSize);
    if (!(dataAt + size <= bytes.length)) throw cutShort(bytes);
    const isTrailer =
      nameSize === 11 && String.fromCharCode(...bytes.subarray(nameAt, nameAt + 10)) === "TRAILER!!!";
    if (isTrailer) return;
    at = align4(dataAt + size);
    if (at + 6 > bytes.length) throw cutShort(bytes);
  }
}

function cutShort(bytes: Uint8Array): Error {
  return imageError("INITRD", "TRUNCATED", `is a cpio archive that ends early, after ${bytes.length} bytes`);
}

function isNewcHeader(bytes: Uint8Array, at: number): boolean {
  if (at + 6 > bytes.length) return false;
  const magic = String.fromCharCode(...bytes.subarray(at, at + 6));
  return magic === "070701" || magic === "070702";
}

function hexField(bytes: Uint8Array, at: number): number {
  const digits = String.fromCharCode(...bytes.subarray(at, at + 8));
  return /^[0-9a-f]{8}$/i.test(digits) ? Number.parseInt(digits, 16) : Number.POSITIVE_INFINITY;
}

function align4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
