/** Reads 1, 2 or 4 bytes of a configuration space held as bytes, little-endian. */
export function readConfig(data: DataView, offset: number, size: 1 | 2 | 4): number {
  if (size === 4) return data.getUint32(offset, true);
  return size === 2 ? data.getUint16(offset, true) : data.getUint8(offset);
}
