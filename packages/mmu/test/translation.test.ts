import { describe, expect, it } from "vitest";
import {
  Access,
  MmuState,
  PageTableBuilder,
  type PageTableFormat,
  Pte,
  SV39,
  SV48,
  SV57,
} from "../src/index.ts";
import {
  ADUE,
  FAULT,
  MACHINE,
  MPRV,
  MXR,
  mpp,
  type Outcome,
  RAM_BASE,
  SUM,
  SUPERVISOR,
  type TestHart,
  TestMachine,
  USER,
} from "./harness.ts";

const TABLES = RAM_BASE + 0x10_0000;
const PAGE = RAM_BASE + 0x20_0000;
const VA = 0x4000_5000n;
const ALL = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;

interface Setup {
  machine: TestMachine;
  hart: TestHart;
  tables: PageTableBuilder;
  /** Maps VA to PAGE with these bits, flushes, and tries all three kinds of access. */
  attempt(flags: number): { load: Outcome; store: Outcome; fetch: Outcome };
}

function setup(format: PageTableFormat = SV39, mode = SUPERVISOR): Setup {
  const machine = new TestMachine();
  const hart = machine.hart();
  const tables = new PageTableBuilder({
    memory: machine.memory,
    format,
    tables: TABLES,
    tablesSize: 0x2_0000,
  });
  hart.satp(tables.satp());
  hart.mode(mode);
  return {
    machine,
    hart,
    tables,
    attempt(flags) {
      tables.map(VA, PAGE, flags);
      hart.flushAll();
      machine.memory.data.setBigUint64(PAGE - RAM_BASE, 42n, true);
      machine.memory.markDirty(PAGE, 8);
      return { load: hart.load(VA), store: hart.store(VA, 7n), fetch: hart.fetch(VA) };
    },
  };
}

const fault = (cause: number, at: bigint = VA): Outcome => ({ cause, at });
const LOADED = { value: 42n };
const STORED = { value: 7n };
const FETCHED = { value: BigInt(PAGE) };
const REFUSED = {
  load: fault(FAULT.loadPage),
  store: fault(FAULT.storePage),
  fetch: fault(FAULT.fetchPage),
};

describe("4.3.2 virtual address translation", () => {
  it("step 2: an entry outside RAM, or refused by PMP, is an access fault of the original access", () => {
    const { hart, tables } = setup();
    tables.setEntry(VA, (0x1000n << 10n) | 1n, 1);
    expect(hart.load(VA)).toEqual(fault(FAULT.loadAccess));
    expect(hart.store(VA, 0n)).toEqual(fault(FAULT.storeAccess));
    expect(hart.fetch(VA)).toEqual(fault(FAULT.fetchAccess));
    tables.setEntry(VA, 0x003f_ffff_ffff_fc01n, 1);
    expect(hart.load(VA)).toEqual(fault(FAULT.loadAccess));
    hart.satp((8n << 60n) | 0xfff_ffff_ffffn);
    expect(hart.load(VA)).toEqual(fault(FAULT.loadAccess));
  });

  it("step 3: V=0, or W without R, is a page fault", () => {
    const { attempt } = setup();
    expect(attempt(ALL & ~Pte.V)).toEqual(REFUSED);
    expect(attempt(ALL & ~Pte.R)).toEqual(REFUSED);
    expect(attempt(Pte.V | Pte.W | Pte.A | Pte.D)).toEqual(REFUSED);
    expect(attempt(ALL)).toEqual({ load: LOADED, store: STORED, fetch: FETCHED });
  });

  it("step 3: reserved bits are page faults: 60 to 54, N and PBMT without their extensions", () => {
    for (let bit = 54n; bit < 64n; bit++) {
      const { hart, tables } = setup();
      tables.setEntry(VA, tables.entry(VA) | (1n << bit) | BigInt(ALL) | (BigInt(PAGE >>> 12) << 10n));
      expect(hart.load(VA), `bit ${bit} of a leaf`).toEqual(fault(FAULT.loadPage));
      tables.map(VA, PAGE, ALL);
      expect(hart.load(VA)).toHaveProperty("value");
      tables.setEntry(VA, tables.entry(VA, 1) | (1n << bit), 1);
      hart.flushAll();
      expect(hart.load(VA), `bit ${bit} of a pointer`).toEqual(fault(FAULT.loadPage));
    }
  });

  it("step 3: D, A and U are reserved in a pointer; G and RSW are not", () => {
    for (const bit of [Pte.D, Pte.A, Pte.U]) {
      const { hart, tables } = setup();
      tables.map(VA, PAGE, ALL);
      tables.setEntry(VA, tables.entry(VA, 1) | BigInt(bit), 1);
      expect(hart.load(VA)).toEqual(fault(FAULT.loadPage));
    }
    const { hart, tables } = setup();
    tables.map(VA, PAGE, ALL | 0x300);
    tables.setEntry(VA, tables.entry(VA, 1) | BigInt(Pte.G) | 0x300n, 1);
    expect(hart.load(VA)).toHaveProperty("value");
  });

  it("step 4: a pointer at the last level is a page fault", () => {
    expect(setup().attempt(Pte.V)).toEqual(REFUSED);
    expect(setup().attempt(Pte.V | Pte.G)).toEqual(REFUSED);
  });

  it("step 5: R, W and X", () => {
    const { attempt } = setup();
    const base = Pte.V | Pte.A | Pte.D;
    expect(attempt(base | Pte.R)).toEqual({ ...REFUSED, load: LOADED });
    expect(attempt(base | Pte.X)).toEqual({ ...REFUSED, fetch: FETCHED });
    expect(attempt(base | Pte.R | Pte.W)).toEqual({ ...REFUSED, load: LOADED, store: STORED });
    expect(attempt(base | Pte.R | Pte.X)).toEqual({ ...REFUSED, load: LOADED, fetch: FETCHED });
  });

  it("step 5: U-mode needs U", () => {
    const { attempt } = setup(SV39, USER);
    expect(attempt(ALL)).toEqual(REFUSED);
    expect(attempt(ALL | Pte.U)).toEqual({ load: LOADED, store: STORED, fetch: FETCHED });
  });

  it("3.1.6.3 SUM: S-mode loads and stores user pages only under SUM, and never executes them", () => {
    const { attempt, hart } = setup();
    expect(attempt(ALL | Pte.U)).toEqual(REFUSED);
    hart.mstatus(SUM);
    expect(attempt(ALL | Pte.U)).toEqual({ ...REFUSED, load: LOADED, store: STORED });
    expect(attempt(ALL)).toEqual({ load: LOADED, store: STORED, fetch: FETCHED });
    hart.mstatus(0n);
    expect(hart.load(VA)).toEqual(STORED);
  });

  it("3.1.6.3 MXR: loads from executable pages, without a flush on its change", () => {
    const { attempt, hart } = setup();
    hart.mstatus(MXR);
    expect(attempt(Pte.V | Pte.A | Pte.X)).toEqual({ ...REFUSED, load: LOADED, fetch: FETCHED });
    hart.mstatus(0n);
    expect(hart.load(VA)).toEqual(fault(FAULT.loadPage));
    hart.mstatus(MXR);
    expect(hart.load(VA)).toEqual(LOADED);
    expect(attempt(Pte.V | Pte.A)).toEqual(REFUSED);
  });

  it("3.1.6.3 MPRV: M-mode loads and stores as MPP, fetches as M", () => {
    const { attempt, hart, tables } = setup(SV39, MACHINE);
    tables.map(VA, PAGE, ALL | Pte.U);
    expect(hart.fetch(BigInt(PAGE))).toEqual(FETCHED);
    hart.mstatus(MPRV | mpp(USER));
    expect(attempt(ALL | Pte.U)).toEqual({ load: LOADED, store: STORED, fetch: fault(FAULT.fetchAccess) });
    expect(hart.fetch(BigInt(PAGE))).toEqual(FETCHED);
    hart.mstatus(MPRV | mpp(SUPERVISOR));
    expect(hart.load(VA)).toEqual(fault(FAULT.loadPage));
    hart.mstatus(MPRV | mpp(SUPERVISOR) | SUM);
    expect(hart.load(VA)).toEqual(STORED);
    hart.mstatus(MPRV | mpp(MACHINE));
    expect(hart.load(BigInt(PAGE))).toEqual(STORED);
    expect(hart.load(VA)).toEqual(fault(FAULT.loadAccess));
  });

  it("step 6: a misaligned superpage is a page fault", () => {
    for (let level = 1; level < 5; level++) {
      const { hart, tables } = setup(SV57);
      const size = 4096n << BigInt(9 * level);
      const leaf = (address: bigint): bigint => ((address >> 12n) << 10n) | BigInt(ALL);
      tables.setEntry(size, leaf(size >> 1n), level);
      expect(hart.load(size)).toEqual(fault(FAULT.loadPage, size));
      tables.setEntry(size, leaf(4096n), level);
      expect(hart.load(size)).toEqual(fault(FAULT.loadPage, size));
      // The physical address of the page asked for need not be the superpage's first.
      tables.setEntry(size, leaf(size * (BigInt(PAGE) / size)), level);
      hart.flushAll();
      expect(hart.load(size + (BigInt(PAGE) % size))).toEqual({ value: 0n });
    }
  });

  it("step 7 with Svade: A=0, or a store with D=0, is a page fault and changes nothing", () => {
    const { attempt, tables } = setup();
    expect(attempt(ALL & ~Pte.A)).toEqual(REFUSED);
    expect(attempt(ALL & ~Pte.D)).toEqual({ load: LOADED, store: fault(FAULT.storePage), fetch: FETCHED });
    expect(Number(tables.entry(VA)) & 0xff).toBe(ALL & ~Pte.D);
  });

  it("step 7 with Svadu (menvcfg.ADUE): A and D are set, D by stores only", () => {
    const { hart, tables, machine } = setup();
    hart.menvcfg(ADUE);
    tables.map(VA, PAGE, ALL & ~Pte.A & ~Pte.D);
    machine.memory.takeDirtyPages();
    expect(hart.load(VA)).toEqual({ value: 0n });
    expect(Number(tables.entry(VA)) & 0xff).toBe(ALL & ~Pte.D);
    expect([...machine.memory.takeDirtyPages()]).toEqual([(tables.entryAddress(VA) - RAM_BASE) >>> 12]);
    expect(hart.probe(VA, Access.WRITE)).toBeUndefined();
    expect(hart.store(VA, 7n)).toEqual(STORED);
    expect(Number(tables.entry(VA)) & 0xff).toBe(ALL);
    tables.map(VA, PAGE, (ALL | 0x300) & ~Pte.A);
    hart.flushAll();
    expect(hart.fetch(VA)).toEqual(FETCHED);
    expect(tables.entry(VA)).toBe((BigInt(PAGE >>> 12) << 10n) | BigInt(ALL | 0x300));
    tables.map(VA, PAGE, Pte.V | Pte.R);
    hart.flushAll();
    expect(hart.store(VA, 7n)).toEqual(fault(FAULT.storePage));
    expect(Number(tables.entry(VA)) & 0xff).toBe(Pte.V | Pte.R);
  });

  it("step 8: superpages of every level", () => {
    for (const [format, level] of [
      [SV39, 1],
      [SV39, 2],
      [SV48, 3],
      [SV57, 4],
    ] as const) {
      const { hart, tables } = setup(format);
      const size = 4096n << BigInt(9 * level);
      const base = (BigInt(PAGE) / size) * size;
      tables.setEntry(size, ((base >> 12n) << 10n) | BigInt(ALL), level);
      const va = size + BigInt(PAGE) - base;
      expect(hart.store(va + 8n, 0x1234n)).toEqual({ value: 0x1234n });
      expect(hart.host(va)).toEqual(FETCHED);
      expect(hart.fetch(va + 0x1004n)).toEqual({ value: BigInt(PAGE + 0x1004) });
    }
  });
});

describe.each([SV39, SV48, SV57])("$name addresses (sections 4.4.1, 4.5.1, 4.6.1)", (format) => {
  const bits = BigInt(format.virtualBits);
  const high = BigInt.asUintN(64, -(1n << (bits - 1n)));

  it("translates both halves to their ends", () => {
    const { hart, tables } = setup(format);
    const { memory } = hart.machine;
    for (const va of [0n, (1n << (bits - 1n)) - 4096n, high, 2n ** 64n - 4096n]) {
      tables.map(BigInt.asIntN(64, va), PAGE, ALL);
      memory.data.setUint16(PAGE - RAM_BASE + 4094, Number(va % 65521n), true);
      expect(hart.load(va + 4094n, 1)).toEqual({ value: va % 65521n });
      expect(hart.fetch(va)).toEqual(FETCHED);
    }
  });

  it("refuses an address whose upper bits differ from the highest", () => {
    const { hart, tables } = setup(format);
    tables.map(0n, PAGE, ALL);
    tables.map(BigInt.asIntN(64, high), PAGE, ALL);
    for (const va of [1n << bits, 1n << (bits - 1n), high - 4096n, 1n << 63n, high & ~(1n << 63n)]) {
      expect(hart.load(va)).toEqual(fault(FAULT.loadPage, va));
      expect(hart.store(va, 0n)).toEqual(fault(FAULT.storePage, va));
      expect(hart.fetch(va)).toEqual(fault(FAULT.fetchPage, va));
    }
  });
});

describe("4.1.11 satp", () => {
  it("Bare: supervisor addresses are physical addresses of at most 56 bits", () => {
    const { hart } = setup();
    hart.satp(0n);
    expect(hart.load(BigInt(PAGE))).toEqual({ value: 0n });
    for (const va of [1n << 56n, (1n << 56n) + BigInt(PAGE), 2n ** 64n - 8n, 0n, BigInt(RAM_BASE) - 8n]) {
      expect(hart.load(va)).toEqual(fault(FAULT.loadAccess, va));
      expect(hart.fetch(va)).toEqual(fault(FAULT.fetchAccess, va));
    }
  });

  it("changes of MODE take effect at once, without SFENCE.VMA", () => {
    const { hart, tables } = setup();
    const identity = BigInt(PAGE);
    tables.map(identity, PAGE + 0x1000, ALL);
    expect(hart.host(identity)).toEqual({ value: identity + 0x1000n });
    hart.satp(0n);
    expect(hart.host(identity)).toEqual({ value: identity });
    hart.satp(tables.satp());
    expect(hart.host(identity)).toEqual({ value: identity + 0x1000n });
  });

  it("does not concern M-mode", () => {
    const { hart } = setup(SV39, MACHINE);
    expect(hart.host(BigInt(PAGE))).toEqual(FETCHED);
    expect(hart.load(VA)).toEqual(fault(FAULT.loadAccess));
  });

  it("a MODE that does not exist, as in a forged snapshot, is a page fault", () => {
    const { hart } = setup();
    for (const mode of [1n, 7n, 11n, 15n]) {
      hart.satp(mode << 60n);
      expect(hart.load(VA)).toEqual(fault(FAULT.loadPage));
    }
  });
});

describe("FAULT", () => {
  it("is cleared by what does not fault", () => {
    const { hart, tables } = setup();
    tables.map(VA, PAGE, ALL);
    for (const good of [
      () => hart.load(VA),
      () => hart.store(VA, 0n),
      () => hart.fetch(VA),
      () => hart.host(VA),
    ]) {
      hart.load(0n);
      expect(hart.get32(MmuState.FAULT)).toBe(FAULT.loadPage + 1);
      expect(good()).toHaveProperty("value");
    }
  });
});
