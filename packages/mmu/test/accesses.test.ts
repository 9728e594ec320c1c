import { describe, expect, it } from "vitest";
import { Access, MmuState, PageTableBuilder, Pte, SV39 } from "../src/index.ts";
import { ADUE, FAULT, type Outcome, RAM_BASE, SUPERVISOR, type TestHart, TestMachine } from "./harness.ts";

const TABLES = RAM_BASE + 0x10_0000;
const PAGE = RAM_BASE + 0x20_0000;
const OTHER = RAM_BASE + 0x30_0000;
const DEVICE = 0x1000_0000n;
const VA = 0x4000n;
const NEXT = 0x5000n;
const DATA = Pte.V | Pte.R | Pte.W | Pte.A | Pte.D;

function setup(): { hart: TestHart; tables: PageTableBuilder; machine: TestMachine } {
  const machine = new TestMachine();
  const hart = machine.hart();
  const tables = new PageTableBuilder({
    memory: machine.memory,
    format: SV39,
    tables: TABLES,
    tablesSize: 0x1_0000,
  });
  tables.map(VA, PAGE, DATA | Pte.X);
  tables.map(NEXT, OTHER, DATA | Pte.X);
  hart.satp(tables.satp());
  hart.mode(SUPERVISOR);
  for (let i = 0; i < 4096; i++) {
    machine.memory.bytes[PAGE - RAM_BASE + i] = i * 7;
    machine.memory.bytes[OTHER - RAM_BASE + i] = i * 11 + 3;
  }
  return { hart, tables, machine };
}

const fault = (cause: number, at: bigint): Outcome => ({ cause, at });
/** What the bytes of both pages say. */
function expected(va: bigint, sizeLog2: number): bigint {
  let value = 0n;
  for (let i = (1 << sizeLog2) - 1; i >= 0; i--) {
    const at = Number(va - VA) + i;
    value = (value << 8n) | BigInt((at < 4096 ? at * 7 : (at - 4096) * 11 + 3) & 0xff);
  }
  return value;
}

describe("load and store in RAM", () => {
  it("take any size and alignment, also across pages that are apart in memory, cold and warm", () => {
    for (const isWarm of [false, true]) {
      const { hart } = setup();
      for (let sizeLog2 = 0; sizeLog2 < 4; sizeLog2++) {
        for (let at = 4080n; at < 4100n; at++) {
          if (!isWarm) hart.flushAll();
          expect(hart.load(VA + at, sizeLog2)).toEqual({ value: expected(VA + at, sizeLog2) });
        }
      }
    }
  });

  it("write just their bytes", () => {
    for (let sizeLog2 = 0; sizeLog2 < 4; sizeLog2++) {
      for (let at = 4086n; at < 4099n; at++) {
        const { hart } = setup();
        const value = 0xf1e2_d3c4_b5a6_9788n;
        const size = 1n << BigInt(sizeLog2);
        expect(hart.store(VA + at, value, sizeLog2)).toEqual({ value: BigInt.asUintN(8 << sizeLog2, value) });
        expect(hart.load(VA + at, sizeLog2)).toEqual({ value: BigInt.asUintN(8 << sizeLog2, value) });
        for (const beside of [at - 1n, at + size]) {
          expect(hart.load(VA + beside, 0)).toEqual({ value: expected(VA + beside, 0) });
        }
      }
    }
  });

  it("report the part that faults, and store nothing then (section 3.1.16)", () => {
    const { hart, tables } = setup();
    tables.unmap(NEXT);
    hart.flushAll();
    expect(hart.load(NEXT - 3n)).toEqual(fault(FAULT.loadPage, NEXT));
    expect(hart.store(NEXT - 3n, 0n)).toEqual(fault(FAULT.storePage, NEXT));
    expect(hart.load(NEXT - 8n)).toEqual({ value: expected(NEXT - 8n, 3) });
    tables.map(NEXT, OTHER, DATA & ~Pte.W);
    hart.flushAll();
    expect(hart.load(NEXT - 3n)).toEqual({ value: expected(NEXT - 3n, 3) });
    expect(hart.store(NEXT - 3n, 0n)).toEqual(fault(FAULT.storePage, NEXT));
    expect(hart.load(NEXT - 8n)).toEqual({ value: expected(NEXT - 8n, 3) });
    tables.unmap(VA);
    tables.unmap(NEXT);
    hart.flushAll();
    expect(hart.load(NEXT - 3n)).toEqual(fault(FAULT.loadPage, NEXT - 3n));
    expect(hart.store(NEXT - 3n, 0n)).toEqual(fault(FAULT.storePage, NEXT - 3n));
  });

  it("set no D bit for a store that does not happen (section 4.3.1: updates are exact)", () => {
    const { hart, tables } = setup();
    hart.menvcfg(ADUE);
    const clean = DATA & ~Pte.D;
    const isDirty = (va: bigint): boolean => (Number(tables.entry(va)) & Pte.D) !== 0;
    tables.map(VA, PAGE, clean);
    tables.map(NEXT, OTHER, clean & ~Pte.W);
    expect(hart.store(NEXT - 1n, 0n)).toEqual(fault(FAULT.storePage, NEXT));
    expect(isDirty(VA)).toBe(false);
    tables.map(VA, PAGE, clean & ~Pte.W);
    tables.map(NEXT, OTHER, clean);
    hart.flushAll();
    expect(hart.store(NEXT - 1n, 0n)).toEqual(fault(FAULT.storePage, NEXT - 1n));
    expect(isDirty(NEXT)).toBe(false);
    tables.map(VA, PAGE, clean);
    hart.flushAll();
    expect(hart.store(NEXT - 1n, 0n)).toEqual({ value: 0n });
    expect([isDirty(VA), isDirty(NEXT)]).toEqual([true, true]);
  });

  it("wrap around the end of the address space", () => {
    const { hart, tables } = setup();
    tables.map(-4096n, PAGE, DATA);
    tables.map(0n, OTHER, DATA);
    expect(hart.store(2n ** 64n - 2n, 0x4433_2211n, 2)).toEqual({ value: 0x4433_2211n });
    expect(hart.load(0n, 1)).toEqual({ value: 0x4433n });
    tables.unmap(0n);
    hart.flushAll();
    expect(hart.store(2n ** 64n - 2n, 0n, 2)).toEqual(fault(FAULT.storePage, 0n));
  });

  it("reach the first and last bytes of RAM, and no further", () => {
    const { hart, machine } = setup();
    hart.satp(0n);
    const end = BigInt(RAM_BASE + machine.memory.size);
    expect(hart.store(BigInt(RAM_BASE), 1n)).toEqual({ value: 1n });
    expect(hart.store(end - 8n, 2n)).toEqual({ value: 2n });
    expect(hart.load(end - 8n)).toEqual({ value: 2n });
    expect(hart.load(end)).toEqual(fault(FAULT.loadAccess, end));
    expect(hart.load(end - 4n)).toEqual(fault(FAULT.loadAccess, end));
    expect(hart.store(end - 4n, 0n)).toEqual(fault(FAULT.storeAccess, end));
    expect(hart.load(end - 8n)).toEqual({ value: 2n });
    expect(hart.load(BigInt(RAM_BASE) - 4n)).toEqual(fault(FAULT.loadAccess, BigInt(RAM_BASE) - 4n));
  });
});

describe("load and store of devices", () => {
  it("pass address, size and value, and ask for attention", () => {
    const { hart, machine, tables } = setup();
    tables.map(NEXT, Number(DEVICE), DATA);
    const { device } = machine;
    for (const [sizeLog2, answer, value] of [
      [0, 0x1ff, 0xffn],
      [1, -2, 0xfffen],
      [2, 0xffff_fffe, 0xffff_fffen],
      [2, -1, 0xffff_ffffn],
      [2, Number.NaN, 0n],
      [3, 0xfedc_ba98_7654_3210n, 0xfedc_ba98_7654_3210n],
    ] as const) {
      device.answer = answer;
      hart.set64(MmuState.ATTENTION, 0n);
      expect(hart.load(NEXT + 16n, sizeLog2)).toEqual({ value });
      expect(hart.get32(MmuState.ATTENTION)).toBe(1);
      hart.set64(MmuState.ATTENTION, 0n);
      hart.store(NEXT + 8n, 0xfedc_ba98_f654_f2f0n, sizeLog2);
      expect(hart.get32(MmuState.ATTENTION)).toBe(1);
    }
    expect(device.log).toEqual([
      ...["read1 10000010", "write1 10000008 f0"],
      ...["read2 10000010", "write2 10000008 f2f0"],
      ...["read4 10000010", "write4 10000008 f654f2f0"],
      ...["read4 10000010", "write4 10000008 f654f2f0"],
      ...["read4 10000010", "write4 10000008 f654f2f0"],
      ...["read8 10000010", "write8 10000008 fedcba98f654f2f0"],
    ]);
    for (const access of [Access.READ, Access.WRITE]) expect(hart.probe(NEXT, access)).toBeUndefined();
  });

  it("are access faults where no device answers, and when not aligned", () => {
    const { hart, machine } = setup();
    hart.satp(0n);
    for (const va of [
      0n,
      DEVICE - 8n,
      DEVICE + 0x1000n,
      DEVICE + 1n,
      DEVICE + 4n,
      DEVICE + 0xffcn,
      1n << 55n,
    ]) {
      expect(hart.load(va)).toEqual(fault(FAULT.loadAccess, va));
      expect(hart.store(va, 0n)).toEqual(fault(FAULT.storeAccess, va));
    }
    machine.device.base = 0xffff_f000;
    expect(hart.load(0xffff_fffcn)).toEqual(fault(FAULT.loadAccess, 0xffff_fffcn));
    expect(hart.get32(MmuState.ATTENTION)).toBe(0);
    expect(machine.device.log).toEqual([]);
  });

  it("are not reached by fetches or by half of a misaligned access", () => {
    const { hart, tables, machine } = setup();
    tables.map(NEXT, Number(DEVICE), DATA | Pte.X);
    expect(hart.fetch(NEXT)).toEqual(fault(FAULT.fetchAccess, NEXT));
    expect(hart.load(NEXT - 2n)).toEqual(fault(FAULT.loadAccess, NEXT));
    expect(hart.store(NEXT - 2n, 0n)).toEqual(fault(FAULT.storeAccess, NEXT));
    expect(hart.load(NEXT - 2n, 1)).toEqual({ value: expected(NEXT - 2n, 1) });
    expect(machine.device.log).toEqual([]);
  });
});

describe("host", () => {
  it("gives the address of an aligned access in RAM", () => {
    const { hart } = setup();
    for (let sizeLog2 = 0; sizeLog2 <= 12; sizeLog2++) {
      expect(hart.host(VA, sizeLog2)).toEqual({ value: BigInt(PAGE) });
      expect(hart.host(VA, sizeLog2, Access.WRITE)).toEqual({ value: BigInt(PAGE) });
    }
    expect(hart.host(VA + 0x7f8n, 3)).toEqual({ value: BigInt(PAGE + 0x7f8) });
  });

  it("gives 0 without a fault when not aligned or a device, 0 with a fault when refused", () => {
    const { hart, tables } = setup();
    tables.map(NEXT, Number(DEVICE), DATA);
    expect(hart.host(VA + 4n, 3)).toEqual({ value: -1n });
    expect(hart.host(0n + 4n, 3)).toEqual({ value: -1n });
    expect(hart.host(NEXT, 3)).toEqual({ value: -1n });
    expect(hart.host(NEXT, 3, Access.WRITE)).toEqual({ value: -1n });
    expect(hart.host(0n, 3)).toEqual(fault(FAULT.loadPage, 0n));
    expect(hart.host(0n, 3, Access.WRITE)).toEqual(fault(FAULT.storePage, 0n));
  });
});

describe("fetch", () => {
  it("gives the parcel's address and the bytes up to the page's end, cold and warm", () => {
    const { hart } = setup();
    for (const at of [0, 2, 0x7fe, 0xffe, 0x7fe]) {
      expect(hart.fetch(VA + BigInt(at))).toEqual({ value: BigInt(PAGE + at) });
      expect(hart.get32(MmuState.FETCH_RUN)).toBe(4096 - at);
    }
    expect(hart.probe(VA, Access.FETCH)).toBe(PAGE);
    expect(hart.probe(VA, Access.READ)).toBeUndefined();
  });
});

describe("pages with translated code", () => {
  const code = PAGE - RAM_BASE;

  it("report each store before it happens, from every hart, until the flag is cleared", () => {
    const machine = new TestMachine({ harts: 3 });
    const harts = [0, 1, 2].map((index) => machine.hart(index));
    for (const hart of harts) {
      hart.store(BigInt(PAGE + 8), 1n);
      hart.store(BigInt(PAGE + 4096), 1n);
      expect(hart.probe(BigInt(PAGE), Access.WRITE)).toBe(PAGE);
    }
    machine.protectCode(code + 0x123);
    for (const hart of harts) {
      expect(hart.probe(BigInt(PAGE), Access.WRITE)).toBeUndefined();
      expect(hart.probe(BigInt(PAGE), Access.READ)).toBe(PAGE);
      expect(hart.probe(BigInt(PAGE + 4096), Access.WRITE)).toBe(PAGE + 4096);
      expect(hart.load(BigInt(PAGE + 8))).toHaveProperty("value");
      expect(hart.probe(BigInt(PAGE), Access.WRITE)).toBeUndefined();
      hart.store(BigInt(PAGE + 8), 2n, 2);
      hart.host(BigInt(PAGE + 16), 3, Access.WRITE);
      hart.store(BigInt(PAGE + 4094), -1n);
      hart.store(BigInt(PAGE - 3), -1n);
      expect(hart.probe(BigInt(PAGE), Access.WRITE)).toBeUndefined();
    }
    const once = [
      [code + 8, 4],
      [code + 16, 8],
      [code + 4094, 2],
      [code, 5],
    ];
    expect(machine.codeWrites).toEqual([...once, ...once, ...once]);
    machine.memory.pageFlags[code >>> 12] = 0;
    harts[0]?.store(BigInt(PAGE), 3n);
    expect(machine.codeWrites).toHaveLength(12);
    expect(harts[0]?.probe(BigInt(PAGE), Access.WRITE)).toBe(PAGE);
  });

  it("lose write tags under every virtual address, and reads enter none", () => {
    const { hart, tables, machine } = setup();
    const aliases = [0x7000n, 0x4000_0000n, 0x3f_ffff_f000n, -0x3f_ffff_e000n, -4096n];
    for (const va of aliases) {
      tables.map(va, PAGE, DATA);
      hart.store(va, 1n);
      expect(hart.probe(va, Access.WRITE)).toBe(PAGE);
    }
    machine.protectCode(code);
    for (const va of aliases) {
      hart.load(va);
      expect(hart.probe(va, Access.READ)).toBe(PAGE);
      expect(hart.probe(va, Access.WRITE)).toBeUndefined();
    }
  });

  it("are reported when the walker sets A or D in them", () => {
    const { hart, tables, machine } = setup();
    hart.menvcfg(ADUE);
    tables.map(VA, PAGE, Pte.V | Pte.R);
    const entry = tables.entryAddress(VA) - RAM_BASE;
    machine.protectCode(entry);
    hart.flushAll();
    hart.load(VA);
    expect(machine.codeWrites).toEqual([[entry, 8]]);
  });
});

describe("dirty tracking", () => {
  it("sees every page's next write after each look, by every kind of store", () => {
    const { hart, machine } = setup();
    const page = (address: number): number => (address - RAM_BASE) >>> 12;
    machine.memory.takeDirtyPages();
    const writes: [() => void, number[]][] = [
      [() => hart.store(VA, 1n), [page(PAGE)]],
      [() => hart.host(NEXT, 3, Access.WRITE), [page(OTHER)]],
      [() => hart.store(NEXT - 1n, 1n, 1), [page(PAGE), page(OTHER)]],
      [() => machine.memory.markDirty(PAGE, 1), [page(PAGE)]],
      [() => hart.load(VA), []],
      [() => hart.fetch(VA), []],
    ];
    for (let round = 0; round < 3; round++) {
      for (const [write, pages] of writes) {
        write();
        expect([...machine.memory.takeDirtyPages()]).toEqual(pages);
        expect(hart.probe(VA, Access.WRITE)).toBeUndefined();
      }
    }
  });

  it("a load of a page that is dirty already lets stores hit", () => {
    const { hart, machine } = setup();
    machine.memory.takeDirtyPages();
    hart.load(VA);
    expect(hart.probe(VA, Access.WRITE)).toBeUndefined();
    machine.memory.markDirty(PAGE, 1);
    hart.flushAll();
    hart.load(VA);
    expect(hart.probe(VA, Access.WRITE)).toBe(PAGE);
    expect([...machine.memory.takeDirtyPages()]).toEqual([(PAGE - RAM_BASE) >>> 12]);
  });
});
