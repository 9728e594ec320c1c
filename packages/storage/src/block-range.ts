import type { BlockBackend } from "@isomorph/interface";
import { diskError } from "./disk-error.ts";

/** Throws a RangeError unless `blockSize` is a power of two of 512 or more, and divides `size` above zero. */
export function checkGeometry(size: number, blockSize: number): void {
  if (!Number.isSafeInteger(blockSize) || blockSize < 512 || !Number.isInteger(Math.log2(blockSize))) {
    throw new RangeError(`block size ${blockSize} is not a power of two of 512 or more`);
  }
  if (!Number.isSafeInteger(size) || size <= 0 || size % blockSize !== 0) {
    throw new RangeError(`disk size ${size} is not a positive multiple of the block size ${blockSize}`);
  }
}

/** Throws the RangeError of the {@link BlockBackend} contract for a range that the disk does not have. */
export function checkRange(disk: BlockBackend, offset: number, length: number): void {
  const { size, blockSize } = disk;
  // Written so that NaN fails each test.
  if (!(offset % blockSize === 0 && length % blockSize === 0)) {
    throw new RangeError(`range of ${length} bytes at ${offset} is not made of blocks of ${blockSize} bytes`);
  }
  if (!(offset >= 0 && length >= 0 && offset <= size && length <= size - offset)) {
    throw new RangeError(`range of ${length} bytes at ${offset} is outside the disk of ${size} bytes`);
  }
}

/** Throws the `EROFS` error of a read-only disk. */
export function refuseChange(name: string): never {
  throw diskError("EROFS", `${name} is read-only`);
}

/** Throws the `EBADF` error of a closed disk. */
export function refuseClosed(name: string): never {
  throw diskError("EBADF", `${name} is closed`);
}
