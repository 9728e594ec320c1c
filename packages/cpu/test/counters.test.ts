/** Each counter against a program that does a known number of what it counts. */
import { PageTableBuilder, Pte, SV39 } from "@isomorph/mmu";
import { describe, expect, test } from "vitest";
import { assemble } from "../src/asm.ts";
import { type Hart, PROCESSOR_COUNTERS, type Processor, riscv64 } from "../src/index.ts";

const ORIGIN = 0x8000_0000;
const TABLES = 0x8008_0000;
const DEVICE = 0x1000_0000;

interface Machine {
  readonly processor: Processor;
  readonly hart: Hart;
}

function machine(translationThreshold: number, harts = 1): Machine {
  const processor = riscv64({ translationThreshold })({
    memoryBase: ORIGIN,
    memorySize: 1 << 20,
    harts,
    firmware: "guest",
    clock: { frequency: 10_000_000, now: () => 0 },
    log: () => {},
    bus: {
      covers: (gpa) => gpa >= DEVICE && gpa < DEVICE + 4096,
      read: () => 0,
      write: () => {},
      read64: () => 0n,
      write64: () => {},
    },
  });
  return { processor, hart: processor.harts[0] as Hart };
}

/** Runs a program in M-mode until it waits for an interrupt. */
function run(
  source: string,
  threshold: number,
  prepare?: (machine: Machine) => void,
): Record<string, number> {
  const made = machine(threshold);
  const { processor, hart } = made;
  processor.memory.bytes.set(assemble(`${source}\n.Lstop: wfi\n j .Lstop`, { origin: ORIGIN }).bytes);
  prepare?.(made);
  for (let slices = 0; ; slices++) {
    if (slices === 10_000) throw new Error(`the program does not end; pc ${hart.pc.toString(16)}`);
    if (hart.run(1000) === "wait") break;
  }
  const counters = { ...processor.counters() };
  processor.close();
  return counters;
}

const LOOP = "li s0, 5000\n1: addi s1, s1, 1\n addi s0, s0, -1\n bnez s0, 1b";

describe("instructions by tier", () => {
  test("add up to those that were retired; without a translator all are interpreted", () => {
    const cold = run(LOOP, 0);
    // lui and addi of li, three in each round, wfi.
    expect(cold.instructions).toBe(2 + 3 * 5000 + 1);
    expect([cold.instructionsInterpreted, cold.instructionsInRegions]).toEqual([cold.instructions, 0]);
    const hot = run(LOOP, 10);
    expect(hot.instructions).toBe(cold.instructions);
    expect((hot.instructionsInterpreted ?? 0) + (hot.instructionsInRegions ?? 0)).toBe(hot.instructions);
    expect(hot.instructionsInRegions).toBeGreaterThan(5000);
    expect(hot.regionCalls).toBeGreaterThanOrEqual(1);
    expect(hot.translationMilliseconds).toBeGreaterThan(0);
    expect(cold.translationMilliseconds).toBe(0);
  });

  test("go on counting while a restored state says something else", () => {
    const { processor, hart } = machine(0);
    processor.memory.bytes.set(assemble("1: j 1b", { origin: ORIGIN }).bytes);
    const before = hart.save();
    hart.run(100);
    hart.restore(before);
    hart.run(50);
    expect(processor.counters()).toMatchObject({ instructions: 50, instructionsInterpreted: 150 });
    processor.close();
  });
});

describe.each([
  ["interpreted", 0],
  ["translated", 3],
] as const)("%s", (_, threshold) => {
  test("exits by reason", () => {
    const counters = run(LOOP, threshold);
    expect(counters.exitsBudget).toBe(Math.floor((counters.instructions ?? 0) / 1000));
    expect(counters).toMatchObject({
      exitsWait: 1,
      exitsRequested: 0,
      exitsTrapLoop: 0,
      exitsFirmwareCall: 0,
    });
    expect((counters.exitsHotBlock ?? 0) > 0).toBe(threshold > 0);
  });

  test("device accesses, and the bails of translated code for them", () => {
    const counters = run(
      `li s2, ${DEVICE}\n li s0, 700\n1: lw a0, 0(s2)\n sw a0, 4(s2)\n sb a0, 8(s2)\n addi s0, s0, -1\n bnez s0, 1b`,
      threshold,
    );
    expect(counters).toMatchObject({ mmioReads: 700, mmioWrites: 1400 });
    // Nothing of a device is ever in the TLB.
    expect(counters.tlbLoadMisses).toBeGreaterThanOrEqual(700);
    expect(counters.tlbStoreMisses).toBeGreaterThanOrEqual(1400);
    if (threshold === 0) expect(counters.bailsMemory).toBe(0);
  });

  test("traps by cause", () => {
    const handler = `
      la t0, trap
      csrw mtvec, t0
      j body
      .balign 4
    trap:
      csrr t1, mepc
      addi t1, t1, 4
      csrw mepc, t1
      mret
    body:`;
    const counters = run(
      `${handler}
       li s0, 40
    1: ecall
       .word 0xffffffff
       .word 0x00100073
       ld a0, 0(zero)
       addi s0, s0, -1
       bnez s0, 1b`,
      threshold,
    );
    expect(counters).toMatchObject({
      trapsFirmwareCall: 40,
      trapsIllegalInstruction: 40,
      trapsBreakpoint: 40,
      trapsAccessFault: 40,
      trapsPageFault: 0,
      trapsUserCall: 0,
      interruptsTimer: 0,
    });
  });

  test("interrupts by kind", () => {
    const { processor, hart } = machine(threshold);
    const source = `
      la t0, trap
      csrw mtvec, t0
      li t0, 0xaaa
      csrw mie, t0
      csrsi mstatus, 8
    1: j 1b
      .balign 4
    trap: csrw mie, zero
    2: j 2b`;
    processor.memory.bytes.set(assemble(source, { origin: ORIGIN }).bytes);
    for (const cause of [3, 7, 7, 11]) {
      hart.reset({ pc: ORIGIN, a0: 0, a1: 0 });
      hart.run(100);
      hart.setInterrupt(cause, true);
      hart.run(100);
      hart.setInterrupt(cause, false);
    }
    expect(processor.counters()).toMatchObject({
      interruptsSoftware: 1,
      interruptsTimer: 2,
      interruptsExternal: 1,
      trapsBreakpoint: 0,
    });
    processor.close();
  });

  test("TLB misses, walks and refills: one each for each page that is touched anew", () => {
    const pages = 24;
    // Away from the entry that the program's page has.
    const base = 0x4010_0000;
    const counters = run(
      `li s3, 5
    again:
       li s2, ${base}
       li s0, ${pages}
    1: ld a0, 0(s2)
       lui t0, 1
       add s2, s2, t0
       addi s0, s0, -1
       bnez s0, 1b
       addi s3, s3, -1
       bnez s3, again
       sfence.vma`,
      threshold,
      (made) => enterSupervisor(made, base, pages),
    );
    // The program's page besides.
    expect(counters.tlbLoadMisses).toBe(pages);
    expect(counters.tlbWalks).toBe(pages + (counters.tlbFetchMisses ?? 0));
    expect(counters.tlbRefills).toBe(counters.tlbWalks);
    expect(counters.tlbFetchMisses).toBeLessThanOrEqual(3);
    expect(counters).toMatchObject({ tlbStoreMisses: 0, trapsPageFault: 0, mmioReads: 0 });
    expect(counters.tlbFlushes).toBeGreaterThanOrEqual(1);
  });
});

/** Starts the hart in S-mode under Sv39: the program one to one, and pages at `base`. */
function enterSupervisor({ processor, hart }: Machine, base: number, pages: number): void {
  const { memory } = processor;
  const flags = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;
  const builder = new PageTableBuilder({ memory, format: SV39, tables: TABLES, tablesSize: 0x1_0000 });
  builder.map(BigInt(ORIGIN), ORIGIN, flags);
  for (let page = 0; page < pages; page++) builder.map(BigInt(base + 4096 * page), ORIGIN + 0x4_0000, flags);
  hart.writeCsr(0x3b0, (1n << 54n) - 1n);
  hart.writeCsr(0x3a0, 0x1fn);
  hart.writeCsr(0x180, builder.satp());
  hart.mode = 1;
}

test("harts are added up, and every counter has a unit and a meaning", () => {
  const { processor } = machine(0, 3);
  processor.memory.bytes.set(assemble("1: j 1b", { origin: ORIGIN }).bytes);
  for (const hart of processor.harts) {
    hart.reset({ pc: ORIGIN, a0: 0, a1: 0 });
    hart.run(10);
  }
  const counters = processor.counters();
  expect(counters).toMatchObject({ instructions: 30, exitsBudget: 3 });
  expect(Object.keys(counters).filter((name) => PROCESSOR_COUNTERS[name] === undefined)).toEqual([]);
  expect(Object.keys(PROCESSOR_COUNTERS).filter((name) => counters[name] === undefined)).toEqual([]);
  processor.close();
});
