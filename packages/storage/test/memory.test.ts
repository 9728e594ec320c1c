import { blockBackendCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { memoryDisk } from "../src/memory.ts";
import { noise } from "./scratch.ts";

describe("memoryDisk keeps the BlockBackend contract", () => {
  for (const blockSize of [512, 4096, 32768]) {
    describe(`sparse, blocks of ${blockSize}`, () => {
      for (const { name, run } of blockBackendCases((request) => memoryDisk({ ...request, blockSize }))) {
        test(name, run);
      }
    });
  }
  describe("on given bytes", () => {
    const open = ({ size, readOnly }: { size: number; readOnly: boolean }) =>
      memoryDisk({ bytes: noise(size, 1), readOnly });
    for (const { name, run } of blockBackendCases(open, { maxSize: 2 ** 24 })) test(name, run);
  });
});

describe("memoryDisk", () => {
  test("reads as zeroes and takes no memory before it is written", () => {
    const disk = memoryDisk({ size: 2 ** 44 });
    const target = new Uint8Array(4096).fill(1);
    disk.read(2 ** 43, target);
    expect(target.every((byte) => byte === 0)).toBe(true);
    expect(disk.stats().allocatedBytes).toBe(0);
    expect(disk.extents(0, disk.size)).toEqual([{ offset: 0, length: 2 ** 44, kind: "hole" }]);
  });

  test("allocates 64 KiB units and gives them back on discard and zeroing", () => {
    const disk = memoryDisk({ size: 2 ** 40 });
    disk.write(2 ** 39 - 512, noise(1024, 2));
    expect(disk.stats().allocatedBytes).toBe(2 * 65536);
    expect(disk.extents(0, disk.size)).toEqual([
      { offset: 0, length: 2 ** 39 - 65536, kind: "hole" },
      { offset: 2 ** 39 - 65536, length: 131072, kind: "data" },
      { offset: 2 ** 39 + 65536, length: 2 ** 39 - 65536, kind: "hole" },
    ]);
    // In two steps, neither of which covers a unit.
    disk.discard(2 ** 39 - 512, 512);
    expect(disk.stats().allocatedBytes).toBe(65536);
    disk.writeZeroes(0, disk.size, { unmap: true });
    expect(disk.stats().allocatedBytes).toBe(0);
  });

  test("given bytes are the disk's storage", () => {
    const bytes = new Uint8Array(131072 + 512);
    const disk = memoryDisk({ bytes });
    disk.write(65536, noise(512, 3));
    expect(bytes.subarray(65536, 66048)).toEqual(noise(512, 3));
    disk.discard(65536, 65536);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    disk.write(131072, noise(512, 4));
    expect(bytes.subarray(131072)).toEqual(noise(512, 4));
  });

  test.each([
    [{ size: 0 }, /size 0 /],
    [{ size: 1000 }, /size 1000 /],
    [{ size: -512 }, /size -512 /],
    [{ size: Number.NaN }, /size NaN /],
    [{ size: 2 ** 60 }, /size 11529215046068\d+ /],
    [{ size: 4096, blockSize: 256 }, /block size 256 /],
    [{ size: 4096, blockSize: 1000 }, /block size 1000 /],
    [{ size: 512, blockSize: 4096 }, /size 512 .* 4096/],
    [{ bytes: new Uint8Array(100) }, /size 100 /],
  ])("refuses %o with a RangeError", (options, message) => {
    expect(() => memoryDisk(options)).toThrow(RangeError);
    expect(() => memoryDisk(options)).toThrow(message);
  });

  test("needs exactly one of size and bytes", () => {
    expect(() => memoryDisk({})).toThrow(TypeError);
    expect(() => memoryDisk({ size: 512, bytes: new Uint8Array(512) })).toThrow(TypeError);
  });
});
