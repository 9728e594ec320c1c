import { imageError } from "../errors.ts";
import { planElf } from "./elf.ts";
import { gunzip } from "./gunzip.ts";
import { identify } from "./identify.ts";
import type { ImagePlan, MemoryRange } from "./image-plan.ts";
import { planLinuxImage } from "./linux-image.ts";

/** Compressed files inside compressed files that {@link planKernel} looks at. */
const MAX_LAYERS = 1;

/**
 * Decides where a kernel goes. Accepted: a RISC-V Linux Image, with or without an EFI stub, an ELF64 executable for
 * RISC-V, and either of them compressed with gzip. Everything else is an error that says what the file is.
 *
 * @param floor - The kernel is placed at this GPA or above: firmware lies below.
 */
export async function planKernel(
  bytes: Uint8Array,
  memory: MemoryRange,
  floor: number,
  signal?: AbortSignal,
): Promise<ImagePlan> {
  let image = bytes;
  for (let layer = 0; ; layer++) {
    if (image.length === 0) throw imageError("KERNEL", "EMPTY", "is empty (0 bytes)");
    const identity = identify(image);
    if (identity?.format === "linux-riscv") return planLinuxImage(image, memory, floor);
    if (identity?.format === "elf") return planElf(image, memory, "KERNEL");
    if (identity?.format === "gzip") {
      if (layer === MAX_LAYERS)
        throw imageError("KERNEL", "FORMAT", "is compressed twice; decompress it first");
      image = await gunzip(image, memory.size, "KERNEL", signal);
      continue;
    }
    if (identity?.format === "foreign") {
      const advice = identity.advice === "" ? "" : `; ${identity.advice}`;
      throw imageError("KERNEL", identity.fault, `is ${identity.name}${advice}`);
    }
    if (image.length < 64)
      throw imageError("KERNEL", "TRUNCATED", `is only ${image.length} bytes: cut short?`);
    const text =
      "is no format that this machine boots: expected a RISC-V Linux Image or an ELF64 file, or one in gzip";
    throw imageError("KERNEL", "FORMAT", text);
  }
}
