import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

const BLOCK = 1024 * 1024;
const ZEROS = new Uint8Array(BLOCK);

/** How a file is read for its checksum. */
export interface ChecksumOptions {
  readonly signal?: AbortSignal | undefined;
}

/** SHA-256 of a file, in lower-case hexadecimal. */
export async function sha256File(path: string, options: ChecksumOptions = {}): Promise<string> {
  const hash = createHash("sha256");
  await eachBlock(path, options, (block) => void hash.update(block));
  return hash.digest("hex");
}

/**
 * SHA-256 of what a mostly empty file holds: of every block of 1 MiB (the last may be shorter) that is not all
 * zeros, each after its number as eight bytes, little-endian. In lower-case hexadecimal. Several times as fast
 * as {@link sha256File} on a sparse image, and as strict for a file of known length.
 */
export async function sha256SparseFile(path: string, options: ChecksumOptions = {}): Promise<string> {
  const hash = createHash("sha256");
  const number = new DataView(new ArrayBuffer(8));
  await eachBlock(path, options, (block, index) => {
    if (Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0) return;
    number.setBigUint64(0, BigInt(index), true);
    hash.update(number).update(block);
  });
  return hash.digest("hex");
}

async function eachBlock(
  path: string,
  { signal }: ChecksumOptions,
  take: (block: Uint8Array, index: number) => void,
): Promise<void> {
  const file = await open(path, "r");
  try {
    const buffer = new Uint8Array(4 * BLOCK);
    let index = 0;
    for (;;) {
      signal?.throwIfAborted();
      const length = await fill(file, buffer);
      for (let at = 0; at < length; at += BLOCK)
        take(buffer.subarray(at, Math.min(at + BLOCK, length)), index++);
      if (length < buffer.length) return;
    }
  } finally {
    await file.close();
  }
}

/** Reads until the buffer is full or the file ends. */
async function fill(file: FileHandle, buffer: Uint8Array): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

/** SHA-256 of a text in UTF-8, in lower-case hexadecimal. */
export function sha256Text(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
