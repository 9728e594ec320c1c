import { guestMemoryCases } from "@isomorph/interface/compliance";
import { describe, expect, it } from "vitest";
import { MachineMemory, PageFlag, WIDE_ADDRESSES } from "../src/index.ts";

const BASE = 0x8000_0000;

function create(ramSize: number, reserved = 4096): MachineMemory {
  return new MachineMemory({ ramBase: BASE, ramSize, reserved });
}

describe("MachineMemory keeps the GuestMemory contract", () => {
  for (const { name, run } of guestMemoryCases(({ base, size }) => {
    return new MachineMemory({ ramBase: base, ramSize: size, reserved: 0 });
  })) {
    it(name, run);
  }
});

describe("MachineMemory", () => {
  it("lays out reserved bytes, page flags and RAM without overlap", () => {
    for (const reserved of [0, 1, 65_536, 100_001]) {
      const memory = create(1 << 20, reserved);
      expect(memory.pageFlagsOffset).toBeGreaterThanOrEqual(reserved);
      expect(memory.ramOffset).toBeGreaterThanOrEqual(memory.pageFlagsOffset + 256);
      expect(memory.ramOffset % 65_536).toBe(0);
      expect(memory.ramOffset).toBeGreaterThan(0);
      expect(memory.bytes.byteOffset).toBe(memory.ramOffset);
      expect(memory.memories.memory.buffer.byteLength).toBe(memory.ramOffset + (1 << 20));
    }
  });

  it("can be shared between threads", () => {
    const memory = new MachineMemory({ ramBase: BASE, ramSize: 4096, reserved: 0, shared: true });
    expect(memory.memories.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    memory.view(BASE, 4)[3] = 7;
    expect(memory.data.getUint32(0, true)).toBe(0x0700_0000);
  });

  it("gives RAM a memory of its own where everything does not fit in 4 GiB", () => {
    const { memories, ramOffset, bytes, data, host } = create(6 * 2 ** 30);
    expect(host).toBe(WIDE_ADDRESSES);
    expect(memories.memory.buffer.byteLength).toBe(ramOffset);
    expect(memories.ram.buffer.byteLength).toBe(ramOffset + 6 * 2 ** 30);
    expect([bytes.length, data.byteLength]).toEqual([6 * 2 ** 30, 6 * 2 ** 30]);
    data.setUint32(5 * 2 ** 30, 0x04030201, true);
    expect(new Uint8Array(memories.ram.buffer, ramOffset + 5 * 2 ** 30, 4)).toEqual(
      new Uint8Array([1, 2, 3, 4]),
    );
  });

  it("refuses what the engine has no memory for, and says how much it has", () => {
    const narrow = (): MachineMemory =>
      new MachineMemory({ ramBase: BASE, ramSize: 2 ** 32, reserved: 0, isNarrow: true });
    expect(narrow).toThrow(new RangeError("ramSize 4294967296 is too large: 4293918720 is the most"));
    expect(() => create(2 ** 34)).toThrow(
      new RangeError("ramSize 17179869184 is too large: 17175609344 is the most"),
    );
    expect(() => create(2 ** 52)).toThrow(RangeError);
  });

  it("tracks writes of the host beyond 4 GiB", () => {
    const memory = create(5 * 2 ** 30);
    const written: [number, number][] = [];
    memory.onCodeWritten = (ramOffset, length) => written.push([ramOffset, length]);
    const page = 2 ** 20 + 5;
    memory.pageFlags[page] = PageFlag.CODE;
    memory.markDirty(BASE + page * 4096 - 1, 2);
    expect(written).toEqual([[page * 4096 - 1, 2]]);
    expect([...memory.takeDirtyPages()]).toEqual([page - 1, page]);
    expect(memory.view(BASE + page * 4096, 16).byteOffset).toBe(memory.ramOffset + page * 4096);
  });

  it("refuses sizes and addresses that are not made of pages", () => {
    for (const ramSize of [0, -4096, 4097, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(() => create(ramSize)).toThrow(RangeError);
    }
    expect(() => new MachineMemory({ ramBase: 1, ramSize: 4096, reserved: 0 })).toThrow("ramBase is 1");
    expect(() => new MachineMemory({ ramBase: 2 ** 53 - 4096, ramSize: 8192, reserved: 0 })).toThrow(
      "above 2^53",
    );
    expect(() => create(4096, -1)).toThrow("reserved is -1");
    const harts = { start: 0, stride: 4096, count: 2 };
    expect(() => new MachineMemory({ ramBase: 0, ramSize: 4096, reserved: 8191, harts })).toThrow("2 harts");
  });

  it("reports the pages that were marked, once", () => {
    const memory = create(16 * 4096);
    memory.markDirty(BASE + 4095, 2);
    memory.markDirty(BASE + 5 * 4096, 4096);
    memory.markDirty(BASE + 15 * 4096 + 4095, 100);
    memory.markDirty(BASE - 10, 5);
    memory.markDirty(BASE + 8 * 4096, 0);
    expect([...memory.takeDirtyPages()]).toEqual([0, 1, 5, 15]);
    expect(memory.takeDirtyPages()).toHaveLength(0);
    memory.markDirty(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    expect(memory.takeDirtyPages()).toHaveLength(0);
    memory.markDirty(BASE - 4096, 6 * 4096);
    expect([...memory.takeDirtyPages()]).toEqual([0, 1, 2, 3, 4]);
  });

  it("tells of host writes to pages with translated code, within RAM", () => {
    const memory = create(16 * 4096);
    const seen: [number, number][] = [];
    memory.pageFlags[3] = PageFlag.CODE;
    memory.markDirty(BASE + 3 * 4096, 1);
    memory.onCodeWritten = (offset, length) => seen.push([offset, length]);
    memory.markDirty(BASE, 3 * 4096);
    memory.markDirty(BASE + 4 * 4096, 4096);
    expect(seen).toEqual([]);
    memory.markDirty(BASE + 3 * 4096 - 1, 2);
    memory.markDirty(BASE - 4096, 2 ** 40);
    expect(seen).toEqual([
      [3 * 4096 - 1, 2],
      [0, 16 * 4096],
    ]);
    expect(memory.pageFlags[3]).toBe(PageFlag.CODE | PageFlag.DIRTY);
  });
});
