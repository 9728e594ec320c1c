import { bytesForMessage, imageError } from "../errors.ts";
import type { ImagePlan, MemoryRange } from "./image-plan.ts";

/** The header of a RISC-V Linux Image (Documentation/arch/riscv/boot-image-header). Little-endian. */
export interface LinuxImageHeader {
  /** Offset from the start of RAM, in bytes: 0x200000 on RV64. */
  readonly textOffset: number;
  /** Bytes of memory that the running kernel takes, its BSS included. 0 in headers that do not say. */
  readonly imageSize: number;
}

const HEADER_SIZE = 64;
const MAGIC = 0x5643534952n; // "RISCV"
const MAGIC2 = 0x05435352; // "RSC\x05"
const FLAG_BIG_ENDIAN = 1n;

/** The kernel must be placed at a multiple of this on RV64. */
const KERNEL_ALIGNMENT = 2 << 20;

/**
 * Reads the header and checks that the file is whole, as far as the file itself says how long it is.
 * Throws an error with code `ERR_KERNEL_TRUNCATED`, `ERR_KERNEL_FORMAT` or `ERR_KERNEL_ARCHITECTURE`.
 */
export function parseLinuxImage(bytes: Uint8Array): LinuxImageHeader {
  if (bytes.length < HEADER_SIZE) {
    throw imageError(
      "KERNEL",
      "TRUNCATED",
      `ends within its header: ${bytes.length} of ${HEADER_SIZE} bytes`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(56, true) !== MAGIC2 && view.getBigUint64(48, true) !== MAGIC) {
    throw imageError("KERNEL", "FORMAT", "has no RISC-V Linux Image header: no magic number at offset 56");
  }
  if (view.getBigUint64(24, true) & FLAG_BIG_ENDIAN) {
    throw imageError(
      "KERNEL",
      "ARCHITECTURE",
      "is big-endian; this machine is little-endian: take a riscv64 kernel",
    );
  }
  const textOffset = Number(view.getBigUint64(8, true));
  const imageSize = Number(view.getBigUint64(16, true));
  if (textOffset % KERNEL_ALIGNMENT !== 0) {
    throw imageError(
      "KERNEL",
      "FORMAT",
      `has text_offset ${textOffset}, which is no multiple of 2 MiB: damaged?`,
    );
  }
  const whole = peFileSize(view);
  if (whole > bytes.length) {
    const text = `is cut short: ${bytesForMessage(bytes.length)} of ${bytesForMessage(whole)}; copy it again`;
    throw imageError("KERNEL", "TRUNCATED", text);
  }
  return { textOffset, imageSize };
}

/**
 * Places a Linux Image: at `text_offset` from the start of RAM, or higher, at a multiple of 2 MiB, where firmware
 * lies up to `floor`.
 */
export function planLinuxImage(bytes: Uint8Array, memory: MemoryRange, floor: number): ImagePlan {
  const { textOffset, imageSize } = parseLinuxImage(bytes);
  const size = Math.max(imageSize, bytes.length);
  const lowest = Math.ceil(floor / KERNEL_ALIGNMENT) * KERNEL_ALIGNMENT;
  const gpa = Math.max(memory.base + textOffset, lowest);
  const needed = gpa + size - memory.base;
  if (!(needed <= memory.size)) {
    const text =
      `needs ${bytesForMessage(needed)} of guest memory and there are ${bytesForMessage(memory.size)}; ` +
      "raise `memory` (or the image's header is damaged)";
    throw imageError("KERNEL", "TOO_LARGE", text);
  }
  return { format: "RISC-V Linux Image", entry: gpa, segments: [{ gpa, bytes, size }], end: gpa + size };
}

/**
 * Wraps position-independent RV64 code as a Linux Image that a loader accepts: the 64-byte header, whose first
 * instruction jumps over it, then `code`. For small guests of one's own.
 */
export function linuxImage(
  code: Uint8Array,
  options: { textOffset?: number; imageSize?: number } = {},
): Uint8Array {
  const { textOffset = KERNEL_ALIGNMENT, imageSize = HEADER_SIZE + code.length } = options;
  const image = new Uint8Array(HEADER_SIZE + code.length);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x0400006f, true); // jal zero, 64
  view.setBigUint64(8, BigInt(textOffset), true);
  view.setBigUint64(16, BigInt(imageSize), true);
  view.setUint32(32, 2, true); // header version 0.2
  view.setBigUint64(48, MAGIC, true);
  view.setUint32(56, MAGIC2, true);
  image.set(code, HEADER_SIZE);
  return image;
}

/**
 * Bytes that the file has according to its PE section table, which kernels with an EFI stub carry; 0 without one.
 * A table that is itself beyond the end counts as the file's end.
 */
function peFileSize(view: DataView): number {
  if (view.getUint16(0, true) !== 0x5a4d) return 0; // "MZ", which is also `c.li s4,-13`
  const pe = view.getUint32(60, true);
  if (pe === 0) return 0;
  if (pe + 24 > view.byteLength) return pe + 24;
  if (view.getUint32(pe, false) !== 0x50450000) return 0;
  const sections = view.getUint16(pe + 6, true);
  const table = pe + 24 + view.getUint16(pe + 20, true);
  let end = table + sections * 40;
  if (end > view.byteLength) return end;
  for (let i = 0; i < sections; i++) {
    const size = view.getUint32(table + i * 40 + 16, true);
    const offset = view.getUint32(table + i * 40 + 20, true);
    end = Math.max(end, size === 0 ? 0 : offset + size);
  }
  return end;
}
