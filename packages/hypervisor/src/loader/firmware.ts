import { bytesForMessage, imageError } from "../errors.ts";
import { planElf } from "./elf.ts";
import { identify } from "./identify.ts";
import type { ImagePlan, MemoryRange } from "./image-plan.ts";

/** Bytes from the start of RAM that firmware has to itself when a kernel follows it. */
export const FIRMWARE_SPACE: number = 2 << 20;

/**
 * Decides where M-mode firmware goes: an ELF64 executable where it says, anything without a known signature as a raw
 * binary at the start of RAM, where it also starts.
 */
export function planFirmware(bytes: Uint8Array, memory: MemoryRange): ImagePlan {
  if (bytes.length === 0) throw imageError("FIRMWARE", "EMPTY", "is empty (0 bytes)");
  const identity = identify(bytes);
  if (identity?.format === "elf") return planElf(bytes, memory, "FIRMWARE");
  if (identity?.format === "gzip")
    throw imageError("FIRMWARE", "COMPRESSED", "is compressed; decompress it first");
  if (identity?.format === "linux-riscv") {
    throw imageError("FIRMWARE", "FORMAT", "is a Linux kernel; give it as the kernel");
  }
  if (identity?.format === "foreign") {
    throw imageError(
      "FIRMWARE",
      identity.fault,
      `is ${identity.name}; expected an ELF file or a raw binary for riscv64`,
    );
  }
  if (bytes.length > memory.size) {
    const text = `has ${bytesForMessage(bytes.length)}, more than guest memory (${bytesForMessage(memory.size)})`;
    throw imageError("FIRMWARE", "TOO_LARGE", text);
  }
  const gpa = memory.base;
  const end = gpa + bytes.length;
  return { format: "raw binary", entry: gpa, segments: [{ gpa, bytes, size: bytes.length }], end };
}

/** Bytes of {@link fwDynamicInfo}. */
export const FW_DYNAMIC_INFO_SIZE = 48;

/**
 * OpenSBI's `struct fw_dynamic_info`, version 2, which a previous stage passes in `a2` (OpenSBI,
 * docs/firmware/fw_dynamic.md): six little-endian doublewords that name where firmware goes on, in S-mode.
 */
export function fwDynamicInfo(next: number): Uint8Array {
  const info = new DataView(new ArrayBuffer(FW_DYNAMIC_INFO_SIZE));
  info.setBigUint64(0, 0x4942534fn, true); // magic "OSBI"
  info.setBigUint64(8, 2n, true); // version
  info.setBigUint64(16, BigInt(next), true); // next_addr
  info.setBigUint64(24, 1n, true); // next_mode: S
  info.setBigUint64(32, 0n, true); // options
  info.setBigUint64(40, 0n, true); // boot_hart
  return new Uint8Array(info.buffer);
}
