import type { GuestMemory } from "@isomorph/interface";

/** Guest RAM for tests, which says what was marked dirty. */
export interface TestMemory extends GuestMemory {
  /** Ranges given to `markDirty` so far, in order: GPA and length. */
  readonly dirty: { readonly gpa: number; readonly length: number }[];
}

/** Makes RAM of `size` bytes, a multiple of 4096, at `base` (0x80000000 by default), filled with zeroes. */
export function testMemory(size: number, base = 0x8000_0000): TestMemory {
  if (!Number.isInteger(size) || size <= 0 || size % 4096 !== 0) throw new RangeError(`RAM of ${size} bytes`);
  const bytes = new Uint8Array(size);
  const contains = (gpa: number, length: number): boolean =>
    gpa >= base && length >= 0 && gpa + length <= base + size;
  const dirty: { gpa: number; length: number }[] = [];
  return {
    base,
    size,
    bytes,
    data: new DataView(bytes.buffer),
    contains,
    view(gpa, length) {
      if (!contains(gpa, length)) throw new RangeError(`[${gpa}, ${gpa + length}) is not in RAM`);
      return bytes.subarray(gpa - base, gpa - base + length);
    },
    markDirty(gpa, length) {
      dirty.push({ gpa, length });
    },
    dirty,
  };
}
