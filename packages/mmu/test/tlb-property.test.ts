import fc from "fast-check";
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
import { type Environment, translate } from "./reference.ts";

const PAGE = 4096n;
const SUPERPAGE = 512n * PAGE;
/** Three address spaces: the second and third share a slot. */
const ASIDS = [1, 2, 66];
const FRAMES = 8;
const FRAME_BASE = RAM_BASE + 0x20_0000;
const DEVICE = 0x1000_0000;
const LOW = 0x4000_0000n;
/** Pages that collide in the TLB, neighbours, and a region for superpages. */
const PAGES = [0n, 1n, 2n, 2048n, 2049n, 512n * 7n, 512n * 7n + 1n, 512n * 8n - 1n].map(
  (n) => LOW + n * PAGE,
);
const MODES = [USER, SUPERVISOR, MACHINE];

const PMP = {
  open: [{ kind: "napot", address: (1n << 54n) - 1n, rights: 7 }],
  frame: [
    { kind: "napot", address: (BigInt(FRAME_BASE) >> 2n) | 0x1ffn, rights: 1 },
    { kind: "napot", address: (1n << 54n) - 1n, rights: 7 },
  ],
  divided: [
    { kind: "napot", address: (BigInt(FRAME_BASE + 0x1800) >> 2n) | 0xffn, rights: 5, locked: true },
    { kind: "napot", address: (1n << 54n) - 1n, rights: 7 },
  ],
  closed: [{ kind: "tor", address: BigInt(FRAME_BASE + 0x2004) >> 2n, rights: 3 }],
} as const;
const BOUNDS: Record<keyof typeof PMP, Environment["pmp"]> = {
  open: [{ first: 0n, last: (1n << 57n) - 1n, rights: 7, locked: false }],
  frame: [
    { first: BigInt(FRAME_BASE), last: BigInt(FRAME_BASE) + 0xfffn, rights: 1, locked: false },
    { first: 0n, last: (1n << 57n) - 1n, rights: 7, locked: false },
  ],
  divided: [
    { first: BigInt(FRAME_BASE) + 0x1800n, last: BigInt(FRAME_BASE) + 0x1fffn, rights: 5, locked: true },
    { first: 0n, last: (1n << 57n) - 1n, rights: 7, locked: false },
  ],
  closed: [{ first: 0n, last: BigInt(FRAME_BASE) + 0x2003n, rights: 3, locked: false }],
};

type Step =
  | { do: "map"; space: number; page: number; frame: number; flags: number; level: number; fence: number }
  | { do: "unmap"; space: number; page: number; level: number; fence: number }
  | { do: "satp"; space: number }
  | { do: "bare" }
  | { do: "status"; mode: number; mpp: number; bits: number }
  | { do: "adue"; on: boolean }
  | { do: "pmp"; name: keyof typeof PMP }
  | { do: "code"; frame: number }
  | { do: "look" }
  | { do: "access"; page: number; offset: number; access: number; sizeLog2: number; physical: boolean };

const index = (length: number): fc.Arbitrary<number> => fc.nat(length - 1);
/** Mostly ordinary leaves, with any bits now and then. */
const flags = fc.oneof(
  { weight: 4, arbitrary: fc.nat(0xf).map((bits) => 0xc1 | (bits << 1)) },
  { weight: 1, arbitrary: fc.nat(0xf).map((bits) => 0x41 | (bits << 1)) },
  { weight: 1, arbitrary: fc.nat(0xff) },
);
const frame = index(FRAMES + 1);
const page = index(PAGES.length);
const space = index(ASIDS.length);
const level = fc.constantFrom(0, 0, 0, 1);
const fence = index(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("map" as const), space, page, frame, flags, level, fence }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unmap" as const), space, page, level, fence }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("satp" as const), space }) },
  { weight: 1, arbitrary: fc.constant({ do: "bare" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("status" as const),
      mode: fc.constantFrom(USER, SUPERVISOR, SUPERVISOR, MACHINE),
      mpp: fc.constantFrom(...MODES),
      bits: fc.nat(7),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("adue" as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("pmp" as const),
      name: fc.constantFrom("open", "open", "frame", "divided", "closed") as fc.Arbitrary<keyof typeof PMP>,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("code" as const), frame: index(FRAMES) }) },
  { weight: 1, arbitrary: fc.constant({ do: "look" as const }) },
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant("access" as const),
      page,
      offset: fc.constantFrom(0, 8, 0x7fc, 0x800, 0xffc, 0xffe),
      access: index(3),
      sizeLog2: index(4),
      physical: fc.constantFrom(false, false, false, true),
    }),
  },
);

/** A machine, and beside it what the architecture says about it. */
class Subject {
  readonly machine = new TestMachine({ ramSize: 3 << 20 });
  readonly hart: TestHart = this.machine.hart();
  readonly spaces: PageTableBuilder[];
  mode = MACHINE;
  mstatus = 0n;
  pmp: keyof typeof PMP = "open";
  readonly written = new Set<number>();
  readonly #tablesSeen = new Set<number>();

  constructor(format: PageTableFormat) {
    this.spaces = ASIDS.map(
      (_, i) =>
        new PageTableBuilder({
          memory: this.machine.memory,
          format,
          tables: RAM_BASE + 0x8_0000 * i,
          tablesSize: 0x8_0000,
        }),
    );
    const { bytes } = this.machine.memory;
    for (let i = 0; i < FRAMES * 4096; i++) bytes[FRAME_BASE - RAM_BASE + i] = (i * 167) >>> 3;
    // Start with something to lose: every page mapped, for S-mode and U-mode in turn.
    for (const [i, tables] of this.spaces.entries()) {
      for (const [j, va] of PAGES.entries()) {
        tables.map(va, FRAME_BASE + ((i + j) % FRAMES) * 4096, 0xcf | (j % 2 === 0 ? 0 : Pte.U));
        this.#hadTables(tables, va);
      }
    }
    this.run({ do: "satp", space: 0 });
    this.run({ do: "status", mode: SUPERVISOR, mpp: USER, bits: 2 });
    this.look();
  }

  run(step: Step): void {
    const { hart } = this;
    switch (step.do) {
      case "map":
      case "unmap":
        this.change(step);
        break;
      case "satp":
        hart.satp(this.spaces[step.space]!.satp(ASIDS[step.space]));
        break;
      case "bare":
        hart.satp(0n);
        break;
      case "status":
        this.mode = step.mode;
        this.mstatus =
          mpp(step.mpp) |
          (step.bits & 1 ? MPRV : 0n) |
          (step.bits & 2 ? SUM : 0n) |
          (step.bits & 4 ? MXR : 0n);
        hart.mode(step.mode);
        hart.mstatus(this.mstatus);
        break;
      case "adue":
        hart.menvcfg(step.on ? ADUE : 0n);
        break;
      case "pmp":
        this.pmp = step.name;
        hart.pmp([...PMP[step.name]]);
        break;
      case "code":
        this.machine.protectCode(FRAME_BASE - RAM_BASE + step.frame * 4096);
        break;
      case "look":
        this.look();
        break;
      case "access":
        this.access(step);
    }
  }

  /**
   * Changes a mapping and executes the weakest fence asked for that the manual says is enough. What is or was global is
   * changed in all address spaces: what they do not agree on may be either of them (privileged, section 4.3.1).
   */
  change(step: Extract<Step, { do: "map" | "unmap" }>): void {
    const va = PAGES[step.page]!;
    const start = step.level === 0 ? va : (va / SUPERPAGE) * SUPERPAGE;
    const own = this.spaces[step.space]!;
    const below = step.level === 0 ? [] : PAGES.filter((page) => page / SUPERPAGE === start / SUPERPAGE);
    const old = [own.entry(start, 0), own.entry(start, 1), ...below.map((page) => own.entry(page, 0))];
    const isGlobal =
      old.some((entry) => (entry & BigInt(Pte.G)) !== 0n) ||
      (step.do === "map" && (step.flags & Pte.G) !== 0);
    const areLeavesOnly = (isGlobal ? this.spaces : [own]).map((tables) =>
      this.#changeIn(tables, step, start),
    );
    if (step.fence === 0 && areLeavesOnly.every(Boolean)) this.hart.flushAddress(va + 0x123n);
    else if (step.fence === 1 && !isGlobal) this.hart.flushAsid(ASIDS[step.space]!);
    else this.hart.flushAll();
  }

  /** Changes a mapping in one address space, and says whether only a leaf has changed. */
  #changeIn(tables: PageTableBuilder, step: Extract<Step, { do: "map" | "unmap" }>, start: bigint): boolean {
    const va = PAGES[step.page]!;
    const isPointer = (tables.entry(start, step.level) & 0xfn) === 1n;
    if (step.do === "unmap") {
      tables.unmap(start, step.level);
    } else {
      // What one address space enters in the TLB for all sets no bits in the tables of the others.
      const flags = step.flags & Pte.G ? step.flags | Pte.A | Pte.D : step.flags;
      if (step.level === 1) tables.map(start, FRAME_BASE, flags, 1);
      else tables.map(va, step.frame === FRAMES ? DEVICE : FRAME_BASE + step.frame * 4096, flags);
    }
    // Bits 0 to 3 being V alone, a "leaf" may be a pointer too: to a frame's contents, as tables.
    const isNowPointer = (tables.entry(start, step.level) & 0xfn) === 1n;
    return !isPointer && !isNowPointer && step.level === 0 && this.#hadTables(tables, va);
  }

  /** Whether the table that holds the page's entry was there before, so that only a leaf has changed. */
  #hadTables(tables: PageTableBuilder, va: bigint): boolean {
    const key = tables.entryAddress(va);
    const had = this.#tablesSeen.has(key);
    this.#tablesSeen.add(key);
    return had;
  }

  look(): void {
    const seen = new Set(this.machine.memory.takeDirtyPages());
    for (const page of this.written) expect(seen.has(page), `page ${page} was written`).toBe(true);
    this.written.clear();
  }

  environment(access: number): Environment {
    const usesMpp = access !== Access.FETCH && (this.mstatus & MPRV) !== 0n;
    return {
      mode: usesMpp ? Number((this.mstatus >> 11n) & 3n) : this.mode,
      satp: this.hart.get64(MmuState.SATP),
      sum: (this.mstatus & SUM) !== 0n,
      mxr: (this.mstatus & MXR) !== 0n,
      adue: this.hart.get64(MmuState.MENVCFG) !== 0n,
      pmp: BOUNDS[this.pmp],
    };
  }

  access(step: Extract<Step, { do: "access" }>): void {
    const { hart } = this;
    const { memory } = this.machine;
    const page = step.physical ? BigInt(FRAME_BASE) + BigInt(step.page) * PAGE : PAGES[step.page]!;
    const isStore = step.access === Access.WRITE;
    const size = step.access === Access.FETCH ? 2 : 1 << step.sizeLog2;
    const va = page + BigInt(step.offset);
    const first = Math.min(size, 4096 - step.offset);
    const parts = [{ va, size: first }];
    if (first < size) parts.push({ va: page + PAGE, size: size - first });
    const addresses: bigint[] = [];
    const updates: { at: bigint; value: bigint }[] = [];
    let fault: Outcome | undefined;
    for (const part of parts) {
      const result = translate(memory, this.environment(step.access), part.va, part.size, step.access);
      if ("cause" in result) {
        fault = { cause: result.cause, at: part.va };
        break;
      }
      if (parts.length > 1 && !memory.contains(Number(result.address), 1)) {
        fault = { cause: isStore ? FAULT.storeAccess : FAULT.loadAccess, at: part.va };
        break;
      }
      if (result.newPte !== undefined) updates.push(result.newPte);
      for (let i = 0n; i < part.size; i++) addresses.push(result.address + i);
    }
    if (fault === undefined && !memory.contains(Number(addresses[0]), 1)) {
      this.#deviceAccess(va, step, Number(addresses[0]! & -PAGE) === DEVICE);
      return;
    }
    // A store that faults in its second page leaves the first page's entry alone; a load may set its A bit.
    if (fault !== undefined && isStore) updates.length = 0;
    const label = JSON.stringify({ ...step, va: va.toString(16), updates: updates.length });

    if (step.access === Access.FETCH) {
      expect(hart.fetch(va), label).toEqual(fault ?? { value: addresses[0] });
    } else if (step.access === Access.READ) {
      const value = addresses.reduceRight(
        (sum, address) => (sum << 8n) | BigInt(memory.bytes[Number(address) - RAM_BASE]!),
        0n,
      );
      expect(hart.load(va, step.sizeLog2), label).toEqual(fault ?? { value });
    } else {
      const value = BigInt.asUintN(8 * size, 0xa1b2_c3d4_e5f6_9788n ^ va);
      const before = memory.view(FRAME_BASE, FRAMES * 4096).slice();
      expect(hart.store(va, value, step.sizeLog2), label).toEqual(fault ?? { value });
      if (fault === undefined) {
        for (const [i, address] of addresses.entries()) {
          before[Number(address) - FRAME_BASE] = Number((value >> BigInt(8 * i)) & 0xffn);
          this.written.add((Number(address) - RAM_BASE) >>> 12);
        }
      }
      // Entries in frames are possible: a frame may serve as a table.
      for (const { at, value: entry } of updates) {
        if (at >= BigInt(FRAME_BASE)) before[Number(at) - FRAME_BASE] = Number(entry & 0xffn);
      }
      const after = memory.view(FRAME_BASE, FRAMES * 4096);
      expect(
        before.findIndex((byte, i) => byte !== after[i]),
        label,
      ).toBe(-1);
    }
    for (const { at, value } of updates) {
      if (at < BigInt(FRAME_BASE)) {
        expect(memory.data.getBigUint64(Number(at) - RAM_BASE, true), label).toBe(value);
      }
      this.written.add((Number(at) - RAM_BASE) >>> 12);
    }
  }

  #deviceAccess(va: bigint, { access, sizeLog2 }: Extract<Step, { do: "access" }>, isDevice: boolean): void {
    const { hart, machine } = this;
    machine.device.answer = 0x5a;
    const isRead = access === Access.READ;
    const outcome = isRead ? hart.load(va, sizeLog2) : hart.store(va, 0x5an, sizeLog2);
    if (isDevice && va % (1n << BigInt(sizeLog2)) === 0n) expect(outcome).toEqual({ value: 0x5an });
    else expect(outcome).toHaveProperty("cause", isRead ? FAULT.loadAccess : FAULT.storeAccess);
  }
}

describe("the TLB answers as a walk would", () => {
  it.each([SV39, SV48, SV57])("after any sequence of changes, fences and switches ($name)", (format) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 200, size: "max" }), (steps) => {
        const subject = new Subject(format);
        for (const one of steps) subject.run(one);
        subject.look();
      }),
      { numRuns: 100 },
    );
  });
});
