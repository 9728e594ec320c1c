import type { BlockBackend } from "../block.ts";
import type { OpenBlockBackend } from "./block-request.ts";
import type { ComplianceCase } from "./case.ts";

/** Bytes in the disk that most cases use. */
export const DISK_SIZE = 0x10_0000;

/** A case on a fresh disk of `size` bytes, closed at its end whatever happens. */
export function onDisk(
  open: OpenBlockBackend,
  name: string,
  check: (disk: BlockBackend) => Promise<void>,
  size: number = DISK_SIZE,
  readOnly = false,
): ComplianceCase {
  return {
    name,
    run: async () => {
      const disk = await open({ size, readOnly });
      try {
        await check(disk);
      } finally {
        await disk.close();
      }
    },
  };
}

/** Reads a fresh buffer that was full of 0xee, so that bytes which were not delivered show. */
export async function readAt(disk: BlockBackend, offset: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length).fill(0xee);
  await disk.read(offset, target);
  return target;
}

/** Bytes that differ from block to block and from seed to seed. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 0x0019_660d) + 0x3c6e_f35f) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
