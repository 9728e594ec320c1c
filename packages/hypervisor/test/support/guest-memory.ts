import type { GuestMemory } from "@isomorph/interface";

/** RAM without a processor, which records what was marked dirty. */
export function plainMemory(
  base: number,
  size: number,
): GuestMemory & { readonly dirty: [number, number][] } {
  const bytes = new Uint8Array(size);
  const dirty: [number, number][] = [];
  const contains = (gpa: number, length: number) => gpa >= base && length >= 0 && gpa + length <= base + size;
  return {
    base,
    size,
    bytes,
    data: new DataView(bytes.buffer),
    dirty,
    contains,
    view(gpa, length) {
      if (!contains(gpa, length)) throw new RangeError(`outside RAM: ${gpa} + ${length}`);
      return bytes.subarray(gpa - base, gpa - base + length);
    },
    markDirty: (gpa, length) => void dirty.push([gpa, length]),
  };
}
