import type { MmioDevice } from "@isomorph/interface";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryMappedBus } from "../src/index.ts";

function ram(size: number): MmioDevice & { readonly data: DataView } {
  const data = new DataView(new ArrayBuffer(size));
  return {
    data,
    mmioRead: (offset, width) =>
      width === 4
        ? data.getInt32(offset, true)
        : width === 2
          ? data.getInt16(offset, true)
          : data.getInt8(offset),
    mmioWrite(offset, width, value) {
      if (width === 4) data.setUint32(offset, value, true);
      else if (width === 2) data.setUint16(offset, value, true);
      else data.setUint8(offset, value);
    },
  };
}

describe("MemoryMappedBus", () => {
  test("finds the device at every edge of its range, and none beside it", () => {
    const bus = new MemoryMappedBus();
    bus.add(0x1000, 0x100, ram(0x100));
    bus.add(0x3000, 8, ram(8));
    expect(bus.covers(0x1000, 8)).toBe(true);
    expect(bus.covers(0x10fc, 4)).toBe(true);
    expect(bus.covers(0x10fc, 8)).toBe(false);
    expect(bus.covers(0x1100, 1)).toBe(false);
    expect(bus.covers(0xfff, 1)).toBe(false);
    expect(bus.covers(0x3000, 8)).toBe(true);
    expect(bus.covers(0x2fff, 2)).toBe(false);
  });

  test("refuses what overlaps, is empty, unaligned or too large", () => {
    const bus = new MemoryMappedBus();
    bus.add(0x1000, 0x100, ram(8), "first");
    expect(() => bus.add(0x10f8, 8, ram(8), "second")).toThrow(
      /second at 0x10f8 .* overlaps first at 0x1000/,
    );
    expect(() => bus.add(0xff8, 16, ram(8))).toThrow(RangeError);
    expect(() => bus.add(0x0, 0x10000, ram(8))).toThrow(RangeError);
    expect(() => bus.add(0x2000, 0, ram(8))).toThrow(RangeError);
    expect(() => bus.add(0x2001, 8, ram(8))).toThrow(RangeError);
    expect(() => bus.add(-8, 8, ram(8))).toThrow(RangeError);
    expect(() => bus.add(2 ** 53, 8, ram(8))).toThrow(RangeError);
    bus.add(0x1100, 8, ram(8));
    bus.add(0xff8, 8, ram(8));
    expect(bus.remove(0x1100)).toBe(true);
    expect(bus.remove(0x1100)).toBe(false);
    expect(bus.covers(0x1100, 4)).toBe(false);
  });

  test("values are unsigned both ways", () => {
    const bus = new MemoryMappedBus();
    const seen: number[] = [];
    bus.add(0, 8, { mmioRead: () => -1, mmioWrite: (_offset, _size, value) => void seen.push(value) });
    expect([bus.read(0, 1), bus.read(0, 2), bus.read(0, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
    bus.write(0, 1, -2);
    bus.write(0, 2, 0x12345);
    bus.write(0, 4, -2);
    expect(seen).toEqual([0xfe, 0x2345, 0xfffffffe]);
    expect(bus.read64(0)).toBe(0xffff_ffff_ffff_ffffn);
  });

  test("a doubleword is two accesses, low half first, unless the device takes it whole", () => {
    const bus = new MemoryMappedBus();
    const log: string[] = [];
    const halves: MmioDevice = {
      mmioRead(offset, size) {
        log.push(`r${offset}/${size}`);
        return offset === 0 ? 0x89abcdef : 0x01234567;
      },
      mmioWrite: (offset, size, value) => void log.push(`w${offset}/${size}=${value.toString(16)}`),
    };
    bus.add(0, 8, halves);
    bus.add(8, 8, {
      ...halves,
      mmioRead64: () => 7n,
      mmioWrite64: (offset, value) => void log.push(`W${offset}=${value}`),
    });
    expect(bus.read64(0)).toBe(0x0123456789abcdefn);
    bus.write64(0, 0xfedc_ba98_7654_3210n);
    expect(bus.read64(8)).toBe(7n);
    bus.write64(8, -1n);
    expect(log).toEqual(["r0/4", "r4/4", "w0/4=76543210", "w4/4=fedcba98", "W0=18446744073709551615"]);
  });

  test("an access where nothing is reads zero and is counted", () => {
    const bus = new MemoryMappedBus();
    bus.write(0x5000, 4, 1);
    bus.write64(0x5000, 1n);
    expect(bus.read(0x5000, 4)).toBe(0);
    expect(bus.read64(0x5000)).toBe(0n);
    expect(bus.counters()).toEqual({ reads: 0, writes: 0, unmapped: 4 });
  });

  test("agrees with a linear search over any set of devices", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(64 * 64), { minLength: 1, maxLength: 50 }),
        (slots, addresses) => {
          const bus = new MemoryMappedBus();
          for (const slot of slots) {
            bus.add(slot * 64, 32, { mmioRead: (offset) => slot * 1000 + offset, mmioWrite: () => {} });
          }
          for (const raw of addresses) {
            const gpa = raw & ~3;
            const slot = slots.find((candidate) => gpa >= candidate * 64 && gpa + 4 <= candidate * 64 + 32);
            expect(bus.covers(gpa, 4)).toBe(slot !== undefined);
            expect(bus.read(gpa, 4)).toBe(slot === undefined ? 0 : slot * 1000 + gpa - slot * 64);
          }
        },
      ),
    );
  });
});
