import type { VirtioSegment } from "@isomorph/interface";

/** Copies from the buffers, starting `offset` bytes into them, into `target`. Returns the bytes copied. */
export function gather(segments: readonly VirtioSegment[], offset: number, target: Uint8Array): number {
  let skip = offset;
  let at = 0;
  for (let index = 0; index < segments.length && at < target.length; index++) {
    const { bytes } = segments[index] as VirtioSegment;
    if (skip >= bytes.length) {
      skip -= bytes.length;
      continue;
    }
    const count = Math.min(bytes.length - skip, target.length - at);
    target.set(skip === 0 && count === bytes.length ? bytes : bytes.subarray(skip, skip + count), at);
    at += count;
    skip = 0;
  }
  return at;
}

/** Copies `source` into the buffers, starting `offset` bytes into them. Returns the bytes copied. */
export function scatter(segments: readonly VirtioSegment[], offset: number, source: Uint8Array): number {
  let skip = offset;
  let at = 0;
  for (let index = 0; index < segments.length && at < source.length; index++) {
    const { bytes } = segments[index] as VirtioSegment;
    if (skip >= bytes.length) {
      skip -= bytes.length;
      continue;
    }
    const count = Math.min(bytes.length - skip, source.length - at);
    bytes.set(at === 0 && count === source.length ? source : source.subarray(at, at + count), skip);
    at += count;
    skip = 0;
  }
  return at;
}
