import { describe, expect, it } from "vitest";
import { Access, MmuState, PageTableBuilder, Pte, SV39 } from "../src/index.ts";
import {
  ADUE,
  FAULT,
  MACHINE,
  MPRV,
  mpp,
  type Outcome,
  RAM_BASE,
  SUPERVISOR,
  type TestHart,
  TestMachine,
  USER,
} from "./harness.ts";

const PAGE = BigInt(RAM_BASE + 0x20_0000);
const EVERYTHING = { kind: "napot", address: (1n << 54n) - 1n, rights: 7 } as const;
const [R, W, X] = [1, 2, 4];

function setup(mode = SUPERVISOR): TestHart {
  const hart = new TestMachine().hart();
  hart.mode(mode);
  return hart;
}
const napot = (address: bigint, size: bigint): bigint => (address >> 2n) | ((size >> 3n) - 1n);
const refused = (cause: number, at: bigint = PAGE): Outcome => ({ cause, at });
const isAllowed = (outcome: Outcome): boolean => "value" in outcome;

/** The rights found at an address by trying. */
function rightsAt(hart: TestHart, va: bigint): number {
  return (
    (isAllowed(hart.load(va, 0)) ? R : 0) |
    (isAllowed(hart.store(va, 0n, 0)) ? W : 0) |
    (isAllowed(hart.fetch(va & ~1n)) ? X : 0)
  );
}

describe("3.7.1 physical memory protection", () => {
  it("S and U fail when no entry matches, M succeeds", () => {
    const hart = setup();
    hart.pmp([]);
    expect(hart.get32(MmuState.PMP_ACTIVE)).toBe(0);
    for (const mode of [USER, SUPERVISOR]) {
      hart.mode(mode);
      expect(hart.load(PAGE)).toEqual(refused(FAULT.loadAccess));
      expect(hart.store(PAGE, 1n)).toEqual(refused(FAULT.storeAccess));
      expect(hart.fetch(PAGE)).toEqual(refused(FAULT.fetchAccess));
    }
    hart.mode(MACHINE);
    expect(rightsAt(hart, PAGE)).toBe(R | W | X);
  });

  it("grants R, W and X each on its own", () => {
    const hart = setup();
    for (const rights of [0, R, X, R | W, R | X, R | W | X]) {
      hart.pmp([{ ...EVERYTHING, rights }]);
      expect(rightsAt(hart, PAGE)).toBe(rights);
      // A second look is answered by the TLB.
      expect(rightsAt(hart, PAGE)).toBe(rights);
    }
  });

  it("M-mode obeys locked entries only", () => {
    const hart = setup(MACHINE);
    hart.pmp([{ ...EVERYTHING, rights: R }]);
    expect(rightsAt(hart, PAGE)).toBe(R | W | X);
    hart.pmp([{ ...EVERYTHING, rights: R, locked: true }]);
    expect(rightsAt(hart, PAGE)).toBe(R);
  });

  it("MPRV: loads and stores of M-mode are checked as MPP's", () => {
    const hart = setup(MACHINE);
    hart.pmp([]);
    hart.mstatus(MPRV | mpp(SUPERVISOR));
    expect(rightsAt(hart, PAGE)).toBe(X);
    hart.mstatus(MPRV | mpp(MACHINE));
    expect(rightsAt(hart, PAGE)).toBe(R | W | X);
  });

  it("the matching entry of lowest number decides", () => {
    const hart = setup();
    hart.pmp([{ kind: "napot", address: napot(PAGE, 4096n), rights: X }, EVERYTHING]);
    expect(rightsAt(hart, PAGE)).toBe(X);
    expect(rightsAt(hart, PAGE + 4096n)).toBe(R | W | X);
    hart.pmp([EVERYTHING, { kind: "napot", address: napot(PAGE, 4096n), rights: X }]);
    expect(rightsAt(hart, PAGE)).toBe(R | W | X);
  });

  it("off entries are skipped, and entry 15 counts", () => {
    const hart = setup();
    const off = { kind: "off", address: 0n } as const;
    hart.pmp([...Array.from({ length: 15 }, () => off), EVERYTHING]);
    expect(rightsAt(hart, PAGE)).toBe(R | W | X);
  });

  it("NA4 covers four bytes, with a grain of 4", () => {
    const hart = setup();
    hart.pmp([{ kind: "na4", address: (PAGE + 8n) >> 2n, rights: R }]);
    expect(hart.load(PAGE + 8n, 2)).toEqual({ value: 0n });
    expect(hart.load(PAGE + 11n, 0)).toEqual({ value: 0n });
    for (const at of [7n, 12n]) expect(hart.load(PAGE + at, 0)).toEqual(refused(FAULT.loadAccess, PAGE + at));
  });

  it("NAPOT covers 8 bytes up to everything", () => {
    for (let log = 3n; log <= 40n; log++) {
      const hart = setup();
      const size = 1n << log;
      const first = (PAGE / size) * size;
      hart.pmp([{ kind: "napot", address: napot(first, size), rights: R }]);
      const end = BigInt(RAM_BASE) + BigInt(hart.machine.memory.size);
      expect(hart.load(PAGE, 0)).toEqual({ value: 0n });
      if (first + size < end) {
        expect(hart.load(first + size - 1n, 0)).toEqual({ value: 0n });
        expect(hart.load(first + size, 0)).toEqual(refused(FAULT.loadAccess, first + size));
      }
      if (first > BigInt(RAM_BASE))
        expect(hart.load(first - 1n, 0)).toEqual(refused(FAULT.loadAccess, first - 1n));
    }
  });

  it("TOR covers from the address below, whatever that entry is, and may be empty", () => {
    const hart = setup();
    const tor = (bottom: bigint, top: bigint): void =>
      hart.pmp([
        { kind: "off", address: bottom >> 2n },
        { kind: "tor", address: top >> 2n, rights: R },
      ]);
    tor(PAGE + 4n, PAGE + 0x2010n);
    expect(hart.load(PAGE + 3n, 0)).toEqual(refused(FAULT.loadAccess, PAGE + 3n));
    for (const at of [4n, 0x1000n, 0x200fn]) expect(hart.load(PAGE + at, 0)).toEqual({ value: 0n });
    expect(hart.load(PAGE + 0x2010n, 0)).toEqual(refused(FAULT.loadAccess, PAGE + 0x2010n));
    tor(PAGE + 0x2000n, PAGE);
    for (const at of [-1n, 0n, 0x1000n, 0x2000n]) {
      expect(hart.load(PAGE + at, 0)).toEqual(refused(FAULT.loadAccess, PAGE + at));
    }
    tor(PAGE, PAGE);
    expect(hart.load(PAGE, 0)).toEqual(refused(FAULT.loadAccess));
    // An empty range within an access, or within a page, divides neither.
    const empty = { kind: "off", address: (PAGE + 4n) >> 2n } as const;
    hart.pmp([empty, { kind: "tor", address: (PAGE + 4n) >> 2n }, EVERYTHING]);
    expect(hart.load(PAGE)).toEqual({ value: 0n });
    expect(hart.probe(PAGE, Access.READ)).toBe(Number(PAGE));
    hart.pmp([{ kind: "tor", address: (PAGE + 8n) >> 2n, rights: R }]);
    expect(hart.load(BigInt(RAM_BASE))).toEqual({ value: 0n });
    expect(hart.load(PAGE + 8n)).toEqual(refused(FAULT.loadAccess, PAGE + 8n));
  });

  it("the top of NAPOT and TOR: bits 63 to 54 of pmpaddr do not exist", () => {
    const hart = setup();
    hart.pmp([{ kind: "napot", address: 2n ** 64n - 1n, rights: R }]);
    expect(hart.load(PAGE)).toEqual({ value: 0n });
    hart.pmp([{ kind: "tor", address: 2n ** 64n - 1n, rights: R }]);
    expect(hart.load(PAGE)).toEqual({ value: 0n });
  });

  it("an access that the entry matches in part fails, in M-mode too", () => {
    const hart = setup();
    hart.pmp([{ kind: "na4", address: PAGE >> 2n, rights: 7 }, EVERYTHING]);
    for (const mode of [SUPERVISOR, MACHINE]) {
      hart.mode(mode);
      expect(hart.load(PAGE, 3)).toEqual(refused(FAULT.loadAccess));
      expect(hart.store(PAGE, 0n, 3)).toEqual(refused(FAULT.storeAccess));
      expect(hart.load(PAGE, 2)).toEqual({ value: 0n });
      expect(hart.load(PAGE + 4n, 2)).toEqual({ value: 0n });
      expect(hart.load(PAGE + 8n, 3)).toEqual({ value: 0n });
    }
  });

  it("a misaligned access across pages is checked page by page, and stores all or nothing", () => {
    const hart = setup();
    hart.pmp([{ kind: "napot", address: napot(PAGE + 4096n, 4096n), rights: R }, EVERYTHING]);
    expect(hart.load(PAGE + 4092n)).toEqual({ value: 0n });
    expect(hart.store(PAGE + 4092n, -1n)).toEqual(refused(FAULT.storeAccess, PAGE + 4096n));
    expect(hart.load(PAGE + 4092n, 2)).toEqual({ value: 0n });
  });
});

describe("3.7.2 PMP and paging", () => {
  const VA = 0x4000n;
  const tablesAt = RAM_BASE + 0x10_0000;
  function paged(): { hart: TestHart; tables: PageTableBuilder } {
    const hart = setup();
    const tables = new PageTableBuilder({
      memory: hart.machine.memory,
      format: SV39,
      tables: tablesAt,
      tablesSize: 0x8000,
    });
    tables.map(VA, Number(PAGE), Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D);
    hart.satp(tables.satp());
    return { hart, tables };
  }

  it("page-table reads are checked as S-mode's: an access fault of the original type", () => {
    const { hart, tables } = paged();
    for (let level = 0; level < 3; level++) {
      const hidden = BigInt(tables.entryAddress(VA, level)) >> 2n;
      hart.pmp([{ kind: "na4", address: hidden, rights: 6 }, EVERYTHING]);
      expect(hart.load(VA)).toEqual(refused(FAULT.loadAccess, VA));
      expect(hart.store(VA, 0n)).toEqual(refused(FAULT.storeAccess, VA));
      expect(hart.fetch(VA)).toEqual(refused(FAULT.fetchAccess, VA));
    }
    hart.pmp([{ kind: "napot", address: napot(BigInt(tablesAt), 0x8000n), rights: R }, EVERYTHING]);
    expect(rightsAt(hart, VA)).toBe(R | W | X);
  });

  it("an update of A or D needs the right to write the entry", () => {
    const { hart, tables } = paged();
    hart.menvcfg(ADUE);
    tables.map(VA, Number(PAGE), Pte.V | Pte.R | Pte.W | Pte.A);
    hart.pmp([{ kind: "napot", address: napot(BigInt(tablesAt), 0x8000n), rights: R }, EVERYTHING]);
    expect(hart.load(VA)).toEqual({ value: 0n });
    expect(hart.store(VA, 0n)).toEqual(refused(FAULT.storeAccess, VA));
    expect(Number(tables.entry(VA)) & Pte.D).toBe(0);
  });

  it("a page that PMP divides is never answered by the TLB; others are", () => {
    const { hart } = paged();
    hart.pmp([{ kind: "napot", address: napot(PAGE + 64n, 64n), rights: R }, EVERYTHING]);
    expect(hart.store(VA, 1n)).toEqual({ value: 1n });
    expect(hart.store(VA + 64n, 1n)).toEqual(refused(FAULT.storeAccess, VA + 64n));
    expect(hart.load(VA + 64n)).toEqual({ value: 0n });
    expect(hart.fetch(VA + 62n)).toEqual({ value: PAGE + 62n });
    expect(hart.get32(MmuState.FETCH_RUN)).toBe(2);
    expect(hart.fetch(VA + 64n)).toEqual(refused(FAULT.fetchAccess, VA + 64n));
    for (const access of [Access.READ, Access.WRITE, Access.FETCH])
      expect(hart.probe(VA, access)).toBeUndefined();
    hart.pmp([EVERYTHING]);
    expect(rightsAt(hart, VA + 64n)).toBe(R | W | X);
    expect(hart.probe(VA, Access.WRITE)).toBe(Number(PAGE));
    expect(hart.get32(MmuState.FETCH_RUN)).toBe(4096 - 64);
  });

  it("a load does not enter a write tag that PMP forbids, nor a store a read tag", () => {
    const { hart } = paged();
    expect(hart.store(VA, 1n)).toEqual({ value: 1n });
    hart.pmp([{ kind: "napot", address: napot(PAGE, 4096n), rights: R }, EVERYTHING]);
    expect(hart.load(VA)).toEqual({ value: 1n });
    expect(hart.probe(VA, Access.WRITE)).toBeUndefined();
    hart.pmp([{ kind: "napot", address: napot(PAGE, 4096n), rights: W }, EVERYTHING]);
    expect(hart.store(VA, 1n)).toEqual({ value: 1n });
    expect(hart.probe(VA, Access.READ)).toBeUndefined();
  });
});
