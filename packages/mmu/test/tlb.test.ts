import { describe, expect, it } from "vitest";
import { Access, MmuState, PageTableBuilder, Pte, SV39, SV48 } from "../src/index.ts";
import {
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

const PAGE = RAM_BASE + 0x20_0000;
const OTHER = RAM_BASE + 0x30_0000;
const VA = 0x4000n;
const KERNEL = -0x40_0000_0000n;
const ALL = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;

interface Spaces {
  readonly hart: TestHart;
  readonly machine: TestMachine;
  readonly spaces: readonly PageTableBuilder[];
}

/** Address spaces with tables of their own, and a hart in S-mode that uses the first as ASID 1. */
function setup(count = 2, format = SV39): Spaces {
  const machine = new TestMachine();
  const hart = machine.hart();
  const spaces = Array.from(
    { length: count },
    (_, i) =>
      new PageTableBuilder({
        memory: machine.memory,
        format,
        tables: RAM_BASE + 0x1_0000 * (i + 1),
        tablesSize: 0x1_0000,
      }),
  );
  hart.satp(spaces[0]!.satp(1));
  hart.mode(SUPERVISOR);
  return { hart, machine, spaces };
}

const at = (address: number): Outcome => ({ value: BigInt(address) });
const refused: Outcome = { cause: FAULT.loadPage, at: VA };

describe("4.2.1 SFENCE.VMA", () => {
  const fences: Record<string, (hart: TestHart) => void> = {
    flushAll: (hart) => hart.flushAll(),
    flushAsid: (hart) => hart.flushAsid(1),
    flushAddress: (hart) => hart.flushAddress(VA + 0xabcn),
  };
  for (const [name, fence] of Object.entries(fences)) {
    it(`${name} makes changed mappings seen by all kinds of access`, () => {
      for (const access of [Access.READ, Access.WRITE]) {
        const { hart, spaces } = setup();
        spaces[0]!.map(VA, PAGE, ALL);
        expect([hart.host(VA, 3, access), hart.fetch(VA)]).toEqual([at(PAGE), at(PAGE)]);
        spaces[0]!.map(VA, OTHER, ALL);
        fence(hart);
        expect([hart.host(VA, 3, access), hart.fetch(VA)]).toEqual([at(OTHER), at(OTHER)]);
        spaces[0]!.unmap(VA);
        fence(hart);
        expect(hart.load(VA)).toEqual(refused);
        expect(hart.fetch(VA)).toEqual({ cause: FAULT.fetchPage, at: VA });
      }
    });
  }

  it("flushAsid leaves other address spaces and global kernel pages in the TLB", () => {
    const { hart, spaces } = setup();
    for (const space of spaces) space.map(KERNEL, PAGE, ALL | Pte.G);
    spaces[0]!.map(VA, PAGE, ALL | Pte.U);
    hart.mode(USER);
    hart.load(VA);
    hart.satp(spaces[1]!.satp(2));
    hart.mode(SUPERVISOR);
    hart.load(KERNEL);
    hart.flushAsid(2);
    expect(hart.probe(KERNEL, Access.READ)).toBe(PAGE);
    hart.satp(spaces[0]!.satp(1));
    expect(hart.probe(KERNEL, Access.READ)).toBe(PAGE);
    hart.mode(USER);
    expect(hart.probe(VA, Access.READ)).toBe(PAGE);
    hart.flushAsid(1);
    expect(hart.probe(VA, Access.READ)).toBeUndefined();
  });

  it("an address in a superpage flushes all of the superpage", () => {
    for (const format of [SV39, SV48]) {
      const { hart, spaces } = setup(1, format);
      const base = 0x4000_0000n;
      spaces[0]!.map(base, RAM_BASE + 0x20_0000, ALL, 1);
      for (let i = 0n; i < 512n; i++) hart.load(base + i * 4096n);
      expect(hart.probe(base + 0x5000n, Access.READ)).toBe(RAM_BASE + 0x20_5000);
      spaces[0]!.unmap(base, 1);
      hart.flushAddress(base + 0x1f_f000n);
      for (let i = 0n; i < 512n; i++) expect(hart.probe(base + i * 4096n, Access.READ)).toBeUndefined();
    }
  });

  it("an address outside superpages leaves other pages in the TLB", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL);
    spaces[0]!.map(VA + 4096n, OTHER, ALL);
    spaces[0]!.map(KERNEL, RAM_BASE + 0x20_0000, ALL, 1);
    for (const va of [VA, VA + 4096n, KERNEL + 0x3000n]) hart.load(va);
    hart.flushAddress(VA);
    expect(hart.probe(VA, Access.READ)).toBeUndefined();
    expect(hart.probe(VA + 4096n, Access.READ)).toBe(OTHER);
    expect(hart.probe(KERNEL + 0x3000n, Access.READ)).toBe(RAM_BASE + 0x20_3000);
  });
});

describe("address spaces", () => {
  it("are kept apart, and found again, by user and by supervisor code", () => {
    const { hart, spaces } = setup();
    for (const [mode, flags] of [
      [USER, ALL | Pte.U],
      [SUPERVISOR, ALL],
    ] as const) {
      spaces[0]!.map(VA, PAGE, flags);
      spaces[1]!.map(VA, OTHER, flags);
      hart.mode(mode);
      for (let round = 0; round < 3; round++) {
        for (const [i, page] of [PAGE, OTHER].entries()) {
          hart.satp(spaces[i]!.satp(i + 1));
          expect(hart.host(VA)).toEqual(at(page));
          expect(hart.fetch(VA)).toEqual(at(page));
        }
      }
      hart.flushAll();
    }
  });

  it("with ASIDs that share a slot are kept apart, up to 16 bits", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL | Pte.U);
    spaces[1]!.map(VA, OTHER, ALL | Pte.U);
    hart.mode(USER);
    for (const asid of [0, 64, 0xffff, 0x7fff, 0, 64]) {
      const index = [64, 0xffff].includes(asid) ? 1 : 0;
      hart.satp(spaces[index]!.satp(asid));
      expect(hart.host(VA)).toEqual(at([PAGE, OTHER][index]!));
    }
    spaces[0]!.unmap(VA);
    hart.flushAsid(0);
    hart.satp(spaces[0]!.satp(0));
    expect(hart.load(VA)).toEqual(refused);
  });

  it("other tables under the same ASID are used at once", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL);
    spaces[1]!.map(VA, OTHER, ALL);
    for (let round = 0; round < 3; round++) {
      expect(hart.host(VA)).toEqual(at(PAGE));
      hart.satp(spaces[1]!.satp(1));
      expect(hart.host(VA)).toEqual(at(OTHER));
      hart.satp(spaces[0]!.satp(1));
    }
  });

  it("global kernel pages stay through switches, others of the kernel do not leak", () => {
    const { hart, spaces } = setup();
    for (const space of spaces) space.map(KERNEL, PAGE, ALL | Pte.G);
    hart.load(KERNEL);
    hart.satp(spaces[1]!.satp(2));
    expect(hart.probe(KERNEL, Access.READ)).toBe(PAGE);
    spaces[1]!.map(KERNEL + 4096n, OTHER, ALL);
    hart.load(KERNEL + 4096n);
    hart.satp(spaces[0]!.satp(1));
    expect(hart.probe(KERNEL + 4096n, Access.READ)).toBeUndefined();
    expect(hart.load(KERNEL + 4096n)).toHaveProperty("cause", FAULT.loadPage);
  });

  it("a G bit in a pointer makes what is below it global (section 4.3.1)", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(KERNEL, PAGE, ALL);
    spaces[0]!.setEntry(KERNEL, spaces[0]!.entry(KERNEL, 2) | BigInt(Pte.G), 2);
    hart.load(KERNEL);
    hart.satp(spaces[1]!.satp(2));
    expect(hart.probe(KERNEL, Access.READ)).toBe(PAGE);
  });
});

describe("modes", () => {
  it("U, S, S with SUM and M each keep their entries through traps and returns", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL | Pte.U);
    spaces[0]!.map(VA + 4096n, PAGE, ALL | Pte.U);
    spaces[0]!.map(KERNEL, OTHER, ALL | Pte.G);
    const enter = [
      () => hart.mode(USER),
      () => hart.mode(SUPERVISOR),
      () => hart.mstatus(SUM),
      () => {
        hart.mstatus(0n);
        hart.mode(MACHINE);
      },
    ];
    const pages = [VA, KERNEL, VA + 4096n, BigInt(PAGE + 0x5000)];
    for (let round = 0; round < 3; round++) {
      for (const [i, va] of pages.entries()) {
        enter[i]!();
        if (round > 0) expect(hart.probe(va, Access.READ), `case ${i}`).toBeDefined();
        expect(hart.load(va)).toHaveProperty("value");
        expect(hart.load(i === 3 ? VA : i === 0 ? KERNEL : 0n)).toHaveProperty("cause");
      }
    }
    hart.mode(SUPERVISOR);
    expect(hart.load(VA)).toEqual(refused);
  });

  it("MPRV answers from the entries of the mode it stands for", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL | Pte.U);
    hart.mode(USER);
    hart.load(VA);
    hart.mode(MACHINE);
    hart.mstatus(MPRV | mpp(USER));
    expect(hart.probe(VA, Access.READ)).toBe(PAGE);
    expect(hart.probe(VA, Access.FETCH)).toBeUndefined();
    hart.mstatus(MPRV | mpp(USER) | MXR);
    expect(hart.probe(VA, Access.READ)).toBeUndefined();
    hart.mstatus(0n);
    expect(hart.load(VA)).toEqual({ cause: FAULT.loadAccess, at: VA });
  });

  it("a page read, written and executed has one entry with three tags", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL);
    hart.fetch(VA);
    hart.load(VA);
    hart.mstatus(SUM);
    hart.store(VA, 1n);
    expect(hart.probe(VA, Access.WRITE)).toBe(PAGE);
    expect(hart.probe(VA, Access.FETCH)).toBe(PAGE);
    hart.load(VA + 0x80_0000n);
    expect(hart.probe(VA, Access.FETCH)).toBe(PAGE);
  });

  it("pages that take turns in an entry never lend each other their address", () => {
    const { hart, spaces } = setup();
    const rival = VA + 0x80_0000n;
    spaces[0]!.map(VA, PAGE, ALL);
    spaces[0]!.map(rival, OTHER, ALL);
    const uses = [Access.READ, Access.WRITE, Access.FETCH];
    const use = (va: bigint, access: number): Outcome =>
      access === Access.FETCH ? hart.fetch(va) : hart.host(va, 3, access);
    for (const first of uses) {
      for (const second of uses) {
        hart.flushAll();
        expect(use(VA, first)).toEqual(at(PAGE));
        expect(use(rival, second)).toEqual(at(OTHER));
        for (const access of uses) expect([PAGE, undefined]).toContain(hart.probe(VA, access));
        expect(use(VA, first)).toEqual(at(PAGE));
      }
    }
  });

  it("loads under MXR see fences and switches", () => {
    const { hart, spaces } = setup();
    hart.mstatus(MXR);
    for (const change of [
      () => hart.flushAsid(1),
      () => hart.flushAll(),
      () => hart.flushAddress(VA),
      () => hart.satp(spaces[1]!.satp(2)),
      () => hart.satp(spaces[0]!.satp(2)),
    ]) {
      for (const space of spaces) space.map(VA, PAGE, ALL);
      hart.flushAll();
      expect(hart.host(VA)).toEqual(at(PAGE));
      for (const space of spaces) space.map(VA, OTHER, ALL);
      change();
      expect(hart.host(VA)).toEqual(at(OTHER));
    }
    hart.mode(USER);
    expect(hart.load(VA)).toEqual(refused);
  });

  it("an aligned access hits, one that is not aligned never does", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL);
    hart.store(VA, 1n);
    for (let sizeLog2 = 0; sizeLog2 < 4; sizeLog2++) {
      for (let offset = 0n; offset < 16n; offset++) {
        const isAligned = offset % (1n << BigInt(sizeLog2)) === 0n;
        for (const access of [Access.READ, Access.WRITE]) {
          const host = hart.probe(VA + offset, access, sizeLog2);
          expect(host).toBe(isAligned ? PAGE + Number(offset) : undefined);
        }
      }
    }
  });

  it("an empty TLB answers nothing, page 0 included", () => {
    const { hart } = setup();
    for (const mode of [USER, SUPERVISOR, MACHINE]) {
      hart.mode(mode);
      for (const access of [Access.READ, Access.WRITE, Access.FETCH])
        expect(hart.probe(0n, access)).toBeUndefined();
    }
  });
});

describe("context numbers", () => {
  it("run out without harm", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL | Pte.U);
    spaces[1]!.map(VA, OTHER, ALL | Pte.U);
    for (const space of spaces) space.map(KERNEL, PAGE, ALL | Pte.G);
    for (let i = 0; i < 3000; i++) {
      const index = i % 2;
      hart.satp(spaces[index]!.satp(index + 1));
      hart.mode(USER);
      expect(hart.host(VA)).toEqual(at([PAGE, OTHER][index]!));
      hart.mode(SUPERVISOR);
      expect(hart.load(VA)).toEqual(refused);
      hart.mstatus(SUM | (i % 3 === 0 ? MXR : 0n));
      expect(hart.host(VA)).toEqual(at([PAGE, OTHER][index]!));
      hart.mstatus(0n);
      expect(hart.host(KERNEL)).toEqual(at(PAGE));
      if (i % 2 === 0) hart.flushAsid(index + 1);
      else hart.flushAll();
    }
  });

  it("stay within the tag's field, and one that comes again finds no old entries", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL);
    hart.load(VA);
    const context = hart.get64(MmuState.DATA_CONTEXT);
    spaces[0]!.unmap(VA);
    let seen = 0;
    for (let i = 0; i < 1100; i++) {
      hart.flushAll();
      const now = hart.get64(MmuState.DATA_CONTEXT);
      expect(now).toBe(now & 0xff8n);
      expect(now).toBeGreaterThan(0n);
      if (now === context) {
        seen++;
        expect(hart.probe(VA, Access.READ)).toBeUndefined();
        expect(hart.load(VA)).toEqual(refused);
      }
    }
    expect(seen).toBeGreaterThan(0);
  });

  it("a mode switch takes no new one", () => {
    const { hart, spaces } = setup();
    spaces[0]!.map(VA, PAGE, ALL | Pte.U);
    hart.mode(USER);
    hart.load(VA);
    for (let i = 0; i < 3000; i++) {
      hart.mode(SUPERVISOR);
      hart.mstatus(SUM);
      hart.mstatus(0n);
      hart.mode(USER);
    }
    expect(hart.probe(VA, Access.READ)).toBe(PAGE);
  });
});
