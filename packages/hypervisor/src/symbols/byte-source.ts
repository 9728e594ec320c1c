/** Bytes that are read in parts, such as those of a file. */
export interface ByteSource {
  /** Number of bytes. */
  readonly size: number;
  /** The bytes of `[offset, offset + length)`, which the caller has checked to be there. */
  read(offset: number, length: number): Uint8Array;
}

/** Bytes in memory as a source; what it reads are windows on them. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}
