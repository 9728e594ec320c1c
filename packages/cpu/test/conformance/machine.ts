import { PageTableBuilder, Pte, SV39 } from "@isomorph/mmu";
import { assemble } from "../../src/asm.ts";
import type { Hart, Processor } from "../../src/index.ts";
import { INTEGER_REGISTERS } from "../../src/isa/names.ts";
import { riscv64At } from "../../src/riscv64.ts";

/** Where programs start; RAM is 1 MiB. */
export const ORIGIN = 0x8000_0000;
/** RAM for the programs' data. */
export const DATA = 0x8004_0000;
/** A physical address with neither RAM nor device. */
export const HOLE = 0x6_0000;
const TABLES = 0x8008_0000;
const RAM_SIZE = 1 << 20;
const FINISHER = 0x10_0000;

/** Modes by the MPP value. */
export const MODES = { user: 0, supervisor: 1, machine: 3 } as const;
export type Mode = keyof typeof MODES;

/** The interrupt inputs. */
const LINES = [1, 3, 5, 7, 9, 11];

/** How the processor of an attempt translates, and how often the program runs. */
export interface Tier {
  readonly name: string;
  readonly translationThreshold: number;
  readonly passes: number;
  /** Least host address of RAM. */
  readonly ramStart: number;
}

/** How a tier is made: the first pass of a translated run finds the code, the second one runs it. */
export const TIERS: readonly Tier[] = [
  { name: "interpreted", translationThreshold: 0, passes: 1, ramStart: 0 },
  { name: "translated", translationThreshold: 1, passes: 3, ramStart: 0 },
  { name: "interpreted, beyond 4 GiB", translationThreshold: 0, passes: 1, ramStart: 2 ** 32 },
  { name: "translated, beyond 4 GiB", translationThreshold: 1, passes: 3, ramStart: 2 ** 32 },
];

export interface Attempt {
  readonly tier: Tier;
  readonly mode: Mode;
  /** M-mode code that comes first; may use t0 and t1. */
  readonly setup?: string;
  /** What runs in the mode. It is over when it traps, or reaches its end. */
  readonly body: string;
  /** Runs before the program, and again before each pass. */
  readonly prepare?: (hart: Hart, processor: Processor) => void;
  /** Maps pages (Sv39); the program itself is mapped one to one. Without it there is no translation. */
  readonly map?: (map: (va: number, pa: number, flags: number) => void) => void;
  /** What the clock says. */
  readonly now?: () => number;
}

/** How an attempt ended. */
export interface Ending {
  /** The cause of the trap that ended it; "completed" when it reached its end. */
  readonly cause: number | "completed";
  readonly tval: bigint;
  /** Where the trap came from, from the start of the body. */
  readonly offset: number;
  x(name: string): bigint;
  /** A doubleword of RAM. */
  dword(address: number): bigint;
}

/** Flags of pages that everything but the other mode may use. */
export const USER_PAGE: number = Pte.V | Pte.R | Pte.W | Pte.X | Pte.U | Pte.A | Pte.D;
export const SUPERVISOR_PAGE: number = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;

/** What an attempt runs on. */
class Machine {
  readonly processor: Processor;
  readonly hart: Hart;
  finished = false;
  now: () => number = () => 0;

  constructor({ translationThreshold, ramStart }: Tier) {
    this.processor = riscv64At(
      { translationThreshold },
      ramStart,
    )({
      memoryBase: ORIGIN,
      memorySize: RAM_SIZE,
      harts: 1,
      firmware: "guest",
      clock: { frequency: 10_000_000, now: () => this.now() },
      log: () => {},
      bus: {
        covers: (gpa, size) => gpa === FINISHER && size === 4,
        read: () => 0,
        write: () => {
          this.finished = true;
          this.hart.requestExit();
        },
        read64: () => 0n,
        write64: () => {},
      },
    });
    this.hart = this.processor.harts[0] as Hart;
  }

  /** Makes `[start, end)` of RAM, as offsets, what it is at power-on. */
  clear(start: number, end: number): void {
    const { memory } = this.processor;
    memory.bytes.fill(0, start, end);
    memory.markDirty(ORIGIN + start, end - start);
  }
}

/**
 * Runs a piece of code in a mode and says how it ended. On a processor of its own: code that others were written over would
 * be translated less eagerly.
 */
export function attempt({ tier, mode, setup = "", body, prepare, map, now = () => 0 }: Attempt): Ending {
  const machine = new Machine(tier);
  const { processor, hart } = machine;
  machine.now = now;
  const { bytes, symbols } = assemble(program(mode, setup, body, map !== undefined), { origin: ORIGIN });
  processor.memory.bytes.set(bytes);
  processor.memory.markDirty(ORIGIN, bytes.length);
  for (let pass = 0; pass < tier.passes; pass++) {
    // The code stays, and stays translated.
    machine.clear(DATA - ORIGIN, RAM_SIZE);
    if (map !== undefined) buildTables(processor, mode, bytes.length, map);
    machine.finished = false;
    for (const line of LINES) hart.setInterrupt(line, false);
    hart.reset({ pc: ORIGIN, a0: 0, a1: 0 });
    prepare?.(hart, processor);
    for (let slices = 0; !machine.finished; slices++) {
      if (slices > 1000)
        throw new Error(`the program does not end; pc ${hart.pc.toString(16)}, mode ${hart.mode}`);
      hart.run(1000);
    }
  }
  const registers = INTEGER_REGISTERS.map((_, n) => hart.readRegister(n));
  const memory = new DataView(processor.memory.bytes.slice().buffer);
  const x = (name: string): bigint => registers[INTEGER_REGISTERS.indexOf(name)] as bigint;
  const cause = x("s2");
  const start = symbols.get("body") as bigint;
  const done = x("s4") === symbols.get("done") && [8n, 9n, 11n].includes(cause);
  return {
    cause: done ? "completed" : Number(cause),
    tval: x("s3"),
    offset: Number(x("s4") - start),
    x,
    dword: (address) => memory.getBigUint64(address - ORIGIN, true),
  };
}

function program(mode: Mode, setup: string, body: string, translated: boolean): string {
  const satp = translated ? `li t0, ${(8n << 60n) | BigInt(TABLES / 4096)}\n csrw satp, t0\n sfence.vma` : "";
  return `
    la t0, trap
    csrw mtvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, 0x6000
    csrs mstatus, t0
    ${satp}
    ${setup}
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, ${MODES[mode]} << 11
    csrs mstatus, t0
    la t0, body
    csrw mepc, t0
    mret
    .balign 4
  trap:
    csrr s2, mcause
    csrr s3, mtval
    csrr s4, mepc
    csrr s5, mstatus
    li t0, ${FINISHER}
    li t1, 0x5555
    sw t1, 0(t0)
    j .
    .balign 4096
  body:
    ${body}
  done:
    ecall
  `;
}

function buildTables(
  processor: Processor,
  mode: Mode,
  length: number,
  map: NonNullable<Attempt["map"]>,
): void {
  const { memory } = processor;
  const builder = new PageTableBuilder({ memory, format: SV39, tables: TABLES, tablesSize: 0x1_0000 });
  const flags = mode === "user" ? USER_PAGE : SUPERVISOR_PAGE;
  for (let page = 0; page < length; page += 4096) builder.map(BigInt(ORIGIN + page), ORIGIN + page, flags);
  map((va, pa, pageFlags) => builder.map(BigInt(va), pa, pageFlags));
}
