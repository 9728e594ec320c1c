/**
 * The RAM of one machine as its devices see it: one range of guest physical addresses (GPA), zero copy.
 *
 * All scalars in guest memory are little-endian. Addresses are plain numbers, exact up to 2^53.
 */
export interface GuestMemory {
  /** GPA of the first byte. A multiple of 4096. */
  readonly base: number;
  /** Bytes of RAM. A multiple of 4096. */
  readonly size: number;
  /** All of RAM as bytes: the byte at GPA `a` is `bytes[a - base]`. Never detached, never moved. */
  readonly bytes: Uint8Array;
  /** All of RAM for scalars: `data.getUint32(a - base, true)`. */
  readonly data: DataView;
  /** Whether `[gpa, gpa + length)` lies wholly in RAM. Any numbers are allowed, NaN and negatives included. */
  contains(gpa: number, length: number): boolean;
  /**
   * A window on `[gpa, gpa + length)`; writes through it reach the guest.
   * The caller has checked {@link contains}; otherwise a RangeError is thrown.
   * Who writes through a window must call {@link markDirty} afterwards.
   */
  view(gpa: number, length: number): Uint8Array;
  /**
   * Says that the host has written `[gpa, gpa + length)`: dirty pages are recorded and code translated from
   * them is dropped. Parts outside RAM are ignored.
   */
  markDirty(gpa: number, length: number): void;
}
