import type { MmioBus, MmioDevice, MmioSize } from "@isomorph/interface";
import type { Counters } from "../counters.ts";

interface Region {
  readonly base: number;
  readonly end: number;
  readonly device: MmioDevice;
  readonly name: string;
}

/**
 * The physical address space outside RAM: devices at ranges that don't overlap.
 *
 * Values are normalised in both directions, so a device sees and may give any representation of the low
 * `size` bytes. An access where no device answers reads as zero, is dropped on a write, and is counted as `unmapped`.
 */
export class MemoryMappedBus implements MmioBus {
  #regions: readonly Region[] = [];
  #last: Region | undefined;
  #reads = 0;
  #writes = 0;
  #unmapped = 0;

  /**
   * Maps `device` at `[base, base + size)`.
   *
   * @throws RangeError when the range is empty, not aligned to 8 bytes, beyond 2^53, or overlaps another device's.
   */
  add(base: number, size: number, device: MmioDevice, name = "device"): void {
    const end = base + size;
    if (
      !Number.isSafeInteger(base) ||
      !Number.isSafeInteger(end) ||
      base < 0 ||
      size <= 0 ||
      base % 8 !== 0
    ) {
      throw new RangeError(`${name}: invalid range of ${size} bytes at ${base}`);
    }
    for (const other of this.#regions) {
      if (base < other.end && other.base < end) {
        throw new RangeError(
          `${name} at 0x${base.toString(16)} (${size} bytes) overlaps ${other.name} at 0x${other.base.toString(16)}`,
        );
      }
    }
    this.#regions = [...this.#regions, { base, end, device, name }].sort((a, b) => a.base - b.base);
    this.#last = undefined;
  }

  /** Unmaps the device at `base`. Returns whether there was one. */
  remove(base: number): boolean {
    const before = this.#regions.length;
    this.#regions = this.#regions.filter((region) => region.base !== base);
    this.#last = undefined;
    return this.#regions.length < before;
  }

  covers(gpa: number, size: 1 | 2 | 4 | 8): boolean {
    return this.#find(gpa, size) !== undefined;
  }

  read(gpa: number, size: MmioSize): number {
    const region = this.#find(gpa, size);
    if (region === undefined) {
      this.#unmapped++;
      return 0;
    }
    this.#reads++;
    const value = region.device.mmioRead(gpa - region.base, size);
    return size === 4 ? value >>> 0 : size === 1 ? value & 0xff : value & 0xffff;
  }

  write(gpa: number, size: MmioSize, value: number): void {
    const region = this.#find(gpa, size);
    if (region === undefined) {
      this.#unmapped++;
      return;
    }
    this.#writes++;
    const low = size === 4 ? value >>> 0 : size === 1 ? value & 0xff : value & 0xffff;
    region.device.mmioWrite(gpa - region.base, size, low);
  }

  read64(gpa: number): bigint {
    const region = this.#find(gpa, 8);
    if (region === undefined) {
      this.#unmapped++;
      return 0n;
    }
    this.#reads++;
    const offset = gpa - region.base;
    const { device } = region;
    if (device.mmioRead64 !== undefined) return BigInt.asUintN(64, device.mmioRead64(offset));
    const low = device.mmioRead(offset, 4) >>> 0;
    const high = device.mmioRead(offset + 4, 4) >>> 0;
    return BigInt(low) | (BigInt(high) << 32n);
  }

  write64(gpa: number, value: bigint): void {
    const region = this.#find(gpa, 8);
    if (region === undefined) {
      this.#unmapped++;
      return;
    }
    this.#writes++;
    const offset = gpa - region.base;
    const { device } = region;
    if (device.mmioWrite64 !== undefined) {
      device.mmioWrite64(offset, BigInt.asUintN(64, value));
      return;
    }
    device.mmioWrite(offset, 4, Number(BigInt.asUintN(32, value)));
    device.mmioWrite(offset + 4, 4, Number(BigInt.asUintN(32, value >> 32n)));
  }

  /** `reads`, `writes`: accesses served; `unmapped`: accesses where no device answers. */
  counters(): Counters {
    return { reads: this.#reads, writes: this.#writes, unmapped: this.#unmapped };
  }

  #find(gpa: number, size: number): Region | undefined {
    const last = this.#last;
    if (last !== undefined && gpa >= last.base && gpa + size <= last.end) return last;
    const regions = this.#regions;
    let low = 0;
    let high = regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((regions[middle] as Region).end <= gpa) low = middle + 1;
      else high = middle;
    }
    const region = regions[low];
    if (region === undefined || gpa < region.base || gpa + size > region.end) return undefined;
    this.#last = region;
    return region;
  }
}
