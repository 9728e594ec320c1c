import { describe, expect, it } from "vitest";
import { MachineMemory, PageTableBuilder, Pte, SV39, SV48, SV57 } from "../src/index.ts";

const BASE = 0x8000_0000;
const memory = (): MachineMemory => new MachineMemory({ ramBase: BASE, ramSize: 1 << 20, reserved: 0 });
const builder = (format = SV39, tablesSize = 0x8000): PageTableBuilder =>
  new PageTableBuilder({ memory: memory(), format, tables: BASE + 0x1000, tablesSize });

describe("PageTableBuilder", () => {
  it("encodes entries and satp as sections 4.1.11 and 4.4.1 draw them", () => {
    const tables = builder();
    tables.map(0x1234_5000n, 0xab_cdef_0000, Pte.V | Pte.R | Pte.X | Pte.A);
    expect(tables.entry(0x1234_5000n)).toBe((0xab_cdef_0n << 10n) | 0b0100_1011n);
    expect(tables.satp(0x7777)).toBe((8n << 60n) | (0x7777n << 44n) | 0x80001n);
    expect(builder(SV48).satp() >> 60n).toBe(9n);
    expect(builder(SV57).satp() >> 60n).toBe(10n);
  });

  it.each([SV39, SV48, SV57])("makes one table a level for $name, and reuses them", (format) => {
    const tables = builder(format);
    tables.map(0x4000n, BASE, Pte.V | Pte.R);
    tables.map(0x5000n, BASE, Pte.V | Pte.R);
    const last = tables.entryAddress(0x5000n);
    expect(last).toBe(tables.root + (format.levels - 1) * 0x1000 + 5 * 8);
    expect(tables.entryAddress(0x5000n, format.levels - 1)).toBe(tables.root);
    expect(tables.entryAddress(1n << 30n)).toBe(-1);
    expect(tables.entry(1n << 30n)).toBe(0n);
  });

  it("unmaps and replaces superpages", () => {
    const tables = builder();
    tables.map(0x20_0000n, 0x8020_0000, Pte.V | Pte.R, 1);
    expect(tables.entry(0x20_0000n, 1)).toBe((0x80200n << 10n) | 3n);
    tables.map(0x20_1000n, BASE, Pte.V | Pte.R);
    expect(tables.entry(0x20_1000n)).toBe((0x80000n << 10n) | 3n);
    tables.unmap(0x20_0000n, 1);
    expect(tables.entry(0x20_1000n)).toBe(0n);
  });

  it("refuses what cannot be mapped", () => {
    const tables = builder(SV39, 0x3000);
    expect(() => tables.map(0x1001n, BASE, 1)).toThrow("is not a multiple of 4096");
    expect(() => tables.map(0x1000n, 0x8000_1000, 1, 1)).toThrow("is not a multiple of 2097152");
    expect(() => tables.map(1n << 38n, BASE, 1)).toThrow("is no sv39 virtual address");
    expect(() => tables.map(-4096n, BASE, 1)).not.toThrow();
    expect(() => tables.map(0n, 0, 1, 3)).toThrow("sv39 has no level 3");
    expect(() => tables.map(0x1000n, BASE, 1)).toThrow("no room for another page table");
    expect(() => builder(SV39, 1 << 21)).toThrow(RangeError);
    expect(() => builder(SV39, 100)).toThrow(RangeError);
  });
});
