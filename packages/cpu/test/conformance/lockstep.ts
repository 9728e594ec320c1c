import { PageTableBuilder, SV39 } from "@isomorph/mmu";
import { expect } from "vitest";
import { assemble } from "../../src/asm.ts";
import type { Hart, Processor } from "../../src/index.ts";
import { INTEGER_REGISTERS } from "../../src/isa/names.ts";
import { riscv64At } from "../../src/riscv64.ts";
import { Random } from "../random.ts";
import { DATA, ORIGIN, SUPERVISOR_PAGE } from "./machine.ts";

/** Where bodies start: at a page. */
export const BODY: number = ORIGIN + 0x1000;
/** A page of a device that counts how often it was read. */
export const DEVICE = 0x1000_0000;
/** Where the addresses of page table entries are that a program asks for, 8 bytes each. */
export const ENTRIES: number = DATA + 0xf000;
const TABLES = 0x8008_0000;
const TABLES_SIZE = 0x1_0000;
const RAM_SIZE = 1 << 20;
const FINISHER = 0x10_0000;
const COMPLETED = 0x5555;
/** How many instructions are executed between two comparisons, by chance. */
const SLICES = [1, 2, 3, 10, 50, 97, 200, 333, 500, 1000, 1000, 1000];

export interface Program {
  /** M-mode code, or S-mode code if there are mappings, at {@link BODY}. It is over when it reaches its end. */
  readonly body: string;
  /** What traps lead to; may use t5 and t6. A trap that does not return from it ends the program. */
  readonly handler?: string;
  /** How often code is reached until it is translated; everything that is, soon becomes whole. */
  readonly threshold?: number;
  readonly prepare?: (processor: Processor) => void;
  /** Maps pages (Sv39); the program, its data, tables and the device are mapped one to one. */
  readonly map?: (map: (va: number, pa: number, flags: number) => void) => void;
  /** Guest addresses whose page table entries' addresses are wanted at {@link ENTRIES}. */
  readonly entries?: readonly number[];
  /** Instructions between two comparisons, one of these by chance. */
  readonly slices?: readonly number[];
}

/** What both runs came to. */
export interface Outcome {
  x(name: string): bigint;
  readonly counters: Readonly<Record<string, number>>;
  /** Offsets in their pages at which regions began that have all in them that they can. */
  readonly whole: readonly number[];
}

interface Machine {
  readonly processor: Processor;
  readonly hart: Hart;
  readonly isFinished: () => boolean;
}

/**
 * Runs a program interpreted and translated. Both have executed the same number of instructions, and have the same registers,
 * whenever a slice of the budget is over, and the same memory in the end. So have both with RAM at host addresses beyond
 * 4 GiB.
 */
export function lockstep(program: Program): Outcome {
  const outcome = lockstepAt(program, 0);
  const beyond = lockstepAt(program, 2 ** 32);
  for (const name of INTEGER_REGISTERS) expect(beyond.x(name), `${name} beyond 4 GiB`).toBe(outcome.x(name));
  return outcome;
}

function lockstepAt(program: Program, ramStart: number): Outcome {
  const interpreted = machine(program, 0, ramStart);
  const translated = machine(program, program.threshold ?? 2, ramStart);
  const random = new Random(1);
  for (let slice = 0; !interpreted.isFinished() || !translated.isFinished(); slice++) {
    if (slice > 4000) throw new Error(`the program does not end; pc ${interpreted.hart.pc.toString(16)}`);
    const budget = random.pick(program.slices ?? SLICES);
    interpreted.hart.run(budget);
    translated.hart.run(budget);
    expect(stateOf(translated), `after slice ${slice}`).toEqual(stateOf(interpreted));
  }
  const [before, after] = [interpreted, translated].map(({ processor }) =>
    Buffer.from(processor.memory.bytes),
  );
  expect((before as Buffer).equals(after as Buffer), "memory").toBe(true);
  const counters = { ...translated.processor.counters() };
  const registers = INTEGER_REGISTERS.map((_, index) => translated.hart.readRegister(index));
  const whole = wholeRegions(translated.processor.translations());
  for (const { processor } of [interpreted, translated]) processor.close();
  return { x: (name) => registers[INTEGER_REGISTERS.indexOf(name)] as bigint, counters, whole };
}

function stateOf({ hart }: Machine): Record<string, string> {
  const state: Record<string, string> = {
    pc: hart.pc.toString(16),
    instructions: String(hart.instructionsRetired),
    mcause: hart.readCsr(0x342).toString(16),
    mepc: hart.readCsr(0x341).toString(16),
    mtval: hart.readCsr(0x343).toString(16),
  };
  INTEGER_REGISTERS.forEach((name, index) => {
    state[name] = hart.readRegister(index).toString(16);
  });
  return state;
}

function machine(program: Program, translationThreshold: number, ramStart: number): Machine {
  let finished = false;
  let reads = 0;
  const processor = riscv64At(
    { translationThreshold, translations: new Uint8Array() },
    ramStart,
  )({
    memoryBase: ORIGIN,
    memorySize: RAM_SIZE,
    harts: 1,
    firmware: "guest",
    clock: { frequency: 10_000_000, now: () => 0 },
    log: () => {},
    bus: {
      covers: (gpa) => Math.floor(gpa / 4096) * 4096 === DEVICE || gpa === FINISHER,
      read: () => ++reads & 0xffff,
      write: (gpa, _size, value) => {
        if (gpa !== FINISHER) return;
        expect(value, "what ended the program").toBe(COMPLETED);
        finished = true;
        hart.requestExit();
      },
      read64: () => BigInt(++reads),
      write64: () => {},
    },
  });
  const hart = processor.harts[0] as Hart;
  const { bytes } = assemble(source(program), { origin: ORIGIN });
  processor.memory.bytes.set(bytes);
  if (program.map !== undefined) buildTables(processor, program);
  program.prepare?.(processor);
  hart.reset({ pc: ORIGIN, a0: 0, a1: 0 });
  return { processor, hart, isFinished: () => finished };
}

/** Puts code into RAM. */
export function place(processor: Processor, address: number, code: string, origin: number = address): void {
  const { bytes } = assemble(code, { origin });
  processor.memory.bytes.set(bytes, address - ORIGIN);
  processor.memory.markDirty(address, bytes.length);
}

const HERE = 0x4000_0000;
const THERE = 0x4010_0000;

/** Maps the first page of the data in two places, with the second one behind it in the one and the third in the other. */
export function mapTwice(map: (va: number, pa: number, flags: number) => void): void {
  map(HERE, DATA, SUPERVISOR_PAGE);
  map(HERE + 0x1000, DATA + 0x1000, SUPERVISOR_PAGE);
  map(THERE, DATA, SUPERVISOR_PAGE);
  map(THERE + 0x1000, DATA + 0x2000, SUPERVISOR_PAGE);
}

/** Goes to the address in a2 and comes back to that in s6, in both places by turns. */
export function visits(prepare: (base: number) => string): string {
  return [HERE, THERE, HERE, THERE]
    .map((base, visit) => `${prepare(base)}\n la s6, .Lvisited${visit}\n jr a2\n .Lvisited${visit}:`)
    .join("\n");
}

function source({ body, handler = "", map }: Program): string {
  const satp = `li t0, ${(8n << 60n) | BigInt(TABLES / 4096)}\n csrw satp, t0\n sfence.vma`;
  const start = `
    ${map === undefined ? "" : satp}
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, ${map === undefined ? 3 : 1} << 11
    csrs mstatus, t0
    la t0, body
    csrw mepc, t0
    li t0, 0
    mret`;
  return `
    la t0, trap
    csrw mtvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li sp, ${DATA + 0xe000}
    ${start}
    .balign 4
  trap:
    ${handler}
    csrr t5, mcause
    li t6, ${FINISHER}
    sw t5, 0(t6)
    j .
    .org ${BODY}
  body:
    ${body}
    j done
  done:
    li t6, ${FINISHER}
    li t5, ${COMPLETED}
    sw t5, 0(t6)
    j .
  `;
}

function buildTables(processor: Processor, { map, entries = [] }: Program): void {
  const { memory } = processor;
  const builder = new PageTableBuilder({ memory, format: SV39, tables: TABLES, tablesSize: TABLES_SIZE });
  const identical = (from: number, size: number): void => {
    for (let page = from; page < from + size; page += 4096) builder.map(BigInt(page), page, SUPERVISOR_PAGE);
  };
  identical(ORIGIN, DATA - ORIGIN);
  identical(DATA, 0x2_0000);
  identical(TABLES, TABLES_SIZE);
  identical(FINISHER, 4096);
  identical(DEVICE, 4096);
  map?.((va, pa, flags) => builder.map(BigInt(va), pa, flags));
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
  entries.forEach((va, index) => {
    let table = TABLES;
    for (const shift of [30, 21]) {
      const at = table + (Math.floor(va / 2 ** shift) % 512) * 8;
      table = Number(view.getBigUint64(at - ORIGIN, true) >> 10n) * 4096;
    }
    view.setBigUint64(ENTRIES + 8 * index - ORIGIN, BigInt(table + (Math.floor(va / 4096) % 512) * 8), true);
  });
}

/** Reads them from what a processor learned; see `known-code.ts` for the format. */
function wholeRegions(learned: Uint8Array): readonly number[] {
  const view = new DataView(learned.buffer, learned.byteOffset, learned.byteLength);
  const offsets: number[] = [];
  for (let at = 20; at < view.byteLength; ) {
    const count = view.getUint16(at + 8, true);
    at += 10;
    for (const end = at + 2 * count; at < end; at += 2) {
      const entry = view.getUint16(at, true);
      if ((entry & 1) !== 0) offsets.push(entry & 0xffe);
    }
  }
  return offsets;
}
