/** Bytes in one programmed access. Wider ones are split by the bus, the low half first. */
export type MmioSize = 1 | 2 | 4;

/**
 * A device that answers loads and stores of the guest.
 *
 * Values travel as unsigned numbers, little-endian, in the low `size` bytes. Neither call throws, whatever the
 * guest does: an offset with no register reads as zero and ignores writes, unless the specification says otherwise.
 */
export interface MmioDevice {
  /** Reads `size` bytes at `offset` from the device's first byte. `offset` is a multiple of `size`. */
  mmioRead(offset: number, size: MmioSize): number;
  /** Writes the low `size` bytes of `value` at `offset`. `offset` is a multiple of `size`. */
  mmioWrite(offset: number, size: MmioSize, value: number): void;
  /**
   * Reads an aligned doubleword in one piece, for registers such as `mtime` that change between two halves.
   * Without it the bus makes two reads.
   */
  mmioRead64?(offset: number): bigint;
  /** Writes an aligned doubleword in one piece. Without it the bus makes two writes. */
  mmioWrite64?(offset: number, value: bigint): void;
}

/**
 * The address space outside RAM. A processor sends it every access that RAM does not serve.
 */
export interface MmioBus {
  /** Whether a device answers at `[gpa, gpa + size)`; where none does, the processor raises an access fault. */
  covers(gpa: number, size: 1 | 2 | 4 | 8): boolean;
  /** Reads 1, 2 or 4 bytes; only called where {@link covers} holds and `gpa` is a multiple of `size`. */
  read(gpa: number, size: MmioSize): number;
  /** Writes 1, 2 or 4 bytes, under the same conditions. */
  write(gpa: number, size: MmioSize, value: number): void;
  /** Reads an aligned doubleword. */
  read64(gpa: number): bigint;
  /** Writes an aligned doubleword. */
  write64(gpa: number, value: bigint): void;
}
