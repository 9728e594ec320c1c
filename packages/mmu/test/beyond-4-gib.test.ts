import { describe, expect, it } from "vitest";
import { Access, PageTableBuilder, Pte, SV48 } from "../src/index.ts";
import { ADUE, FAULT, placement, RAM_BASE, SUPERVISOR, TestMachine } from "./harness.ts";

const GIB = 2 ** 30;
const VA = 0x7f_0000_5000n;
/** Where RAM's first 4 GiB end. */
const SEAM = RAM_BASE + 4 * GIB;
const PAGE = RAM_BASE + 4.5 * GIB;
const ALL = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;

describe("a machine of 5 GiB", () => {
  const machine = new TestMachine({ ramSize: 5 * GIB });
  const { memory } = machine;
  const tables = (offset: number): PageTableBuilder =>
    new PageTableBuilder({ memory, format: SV48, tables: RAM_BASE + offset, tablesSize: 0x1_0000 });

  it("has all of it, and an end", () => {
    const hart = machine.hart();
    for (const address of [RAM_BASE, SEAM - 8, SEAM, PAGE, RAM_BASE + 5 * GIB - 8]) {
      expect(hart.store(BigInt(address), BigInt(address))).toEqual({ value: BigInt(address) });
      expect(memory.data.getBigUint64(address - RAM_BASE, true)).toBe(BigInt(address));
      expect(hart.load(BigInt(address))).toEqual({ value: BigInt(address) });
      expect(hart.probe(BigInt(address), Access.WRITE)).toBe(address);
      expect(hart.host(BigInt(address))).toEqual({ value: BigInt(address) });
      expect(hart.fetch(BigInt(address))).toEqual({ value: BigInt(address) });
      expect(hart.probe(BigInt(address), Access.FETCH)).toBe(address);
    }
    const end = BigInt(RAM_BASE + 5 * GIB);
    expect(hart.load(end)).toEqual({ cause: FAULT.loadAccess, at: end });
    expect(hart.store(end - 4n, 1n)).toEqual({ cause: FAULT.storeAccess, at: end });
  });

  it("does accesses that cross into what is beyond", () => {
    const hart = machine.hart();
    for (const address of [SEAM - 3, PAGE - 5]) {
      hart.store(BigInt(address), 0x0807_0605_0403_0201n);
      expect(memory.view(address, 8)).toEqual(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
      expect(hart.load(BigInt(address))).toEqual({ value: 0x0807_0605_0403_0201n });
    }
  });

  it("walks page tables there, and sets A and D in them", () => {
    const hart = machine.hart();
    const high = tables(4.25 * GIB);
    high.map(VA, PAGE, Pte.V | Pte.R | Pte.W);
    high.map(VA + 0x1000n, RAM_BASE + 0x3000, ALL);
    hart.menvcfg(ADUE);
    hart.satp(high.satp());
    hart.mode(SUPERVISOR);
    const entry = high.entryAddress(VA) - RAM_BASE;
    memory.takeDirtyPages();
    expect(hart.store(VA + 4092n, 0x1122_3344_5566_7788n)).toHaveProperty("value");
    expect(memory.data.getUint32(PAGE - RAM_BASE + 4092, true)).toBe(0x5566_7788);
    expect(memory.data.getUint32(0x3000, true)).toBe(0x1122_3344);
    expect(memory.data.getUint8(entry) & (Pte.A | Pte.D)).toBe(Pte.A | Pte.D);
    expect([...memory.takeDirtyPages()]).toEqual([3, entry / 4096, (PAGE - RAM_BASE) / 4096].map(Math.floor));
    expect(hart.probe(VA, Access.WRITE)).toBeUndefined();
    hart.load(VA);
    expect(hart.probe(VA, Access.READ)).toBe(PAGE);
  });

  it("tells pages with code there from those 4 GiB below", () => {
    const hart = machine.hart(0);
    const below = PAGE - 4 * GIB;
    for (const address of [PAGE, below]) hart.store(BigInt(address), 1n);
    machine.protectCode(PAGE - RAM_BASE + 6);
    expect(hart.probe(BigInt(below), Access.WRITE)).toBe(below);
    expect(hart.probe(BigInt(PAGE), Access.WRITE)).toBeUndefined();
    hart.store(BigInt(PAGE + 16), 2n, 1);
    hart.store(BigInt(below + 16), 2n, 1);
    expect(machine.codeWrites).toEqual([[PAGE - RAM_BASE + 16, 2]]);
  });
});

// The same tests as of other machines, with RAM at host addresses beyond 4 GiB.
placement.ramStart = 2 ** 32;
await import("./accesses.test.ts");
await import("./pmp.test.ts");
await import("./tlb.test.ts");
await import("./translation.test.ts");
