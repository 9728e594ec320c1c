import { type MachineMemory, PageTableBuilder, Pte, SV48 } from "@isomorph/mmu";
import { describe, expect, it } from "vitest";
import { assemble } from "../src/asm.ts";
import { type Hart, type Processor, riscv64 } from "../src/index.ts";

const GIB = 2 ** 30;
const BASE = 0x8000_0000;
const SIZE = 6 * GIB;
const CODE = BASE + 4.5 * GIB;
const DATA = BASE + 5 * GIB;
const TABLES = BASE + 5.25 * GIB;
const VA = 0x12_3456_7000;
const FINISHER = 0x10_0000;
const TIERS = [
  { name: "interpreted", translationThreshold: 0 },
  { name: "translated", translationThreshold: 2 },
];

class Machine {
  readonly processor: Processor;
  readonly hart: Hart;
  readonly memory: MachineMemory;
  #finished = false;

  constructor(translationThreshold: number) {
    this.processor = riscv64({ translationThreshold, translations: new Uint8Array() })({
      memoryBase: BASE,
      memorySize: SIZE,
      harts: 1,
      firmware: "guest",
      clock: { frequency: 10_000_000, now: () => 0 },
      log: () => {},
      bus: {
        covers: (gpa) => gpa === FINISHER,
        read: () => 0,
        write: () => {
          this.#finished = true;
          this.hart.requestExit();
        },
        read64: () => 0n,
        write64: () => {},
      },
    });
    this.hart = this.processor.harts[0] as Hart;
    this.memory = this.processor.memory as MachineMemory;
  }

  place(address: number, source: string): void {
    const { bytes } = assemble(source, { origin: address });
    this.memory.view(address, bytes.length).set(bytes);
    this.memory.markDirty(address, bytes.length);
  }

  /** Runs from {@link CODE} to the end that `finish` is; a trap is a failure. */
  run(source: string): (register: number) => bigint {
    this.place(
      CODE,
      `la t0, trap; csrw mtvec, t0; li t0, 0x6000; csrs mstatus, t0
       ${source}
       finish: li t5, ${FINISHER}; sw t5, 0(t5); j .
       .balign 4
       trap: csrr a0, mcause; csrr a1, mtval; csrr a2, mepc; ebreak`,
    );
    this.#finished = false;
    this.hart.reset({ pc: CODE, a0: 0, a1: 0 });
    for (let slices = 0; !this.#finished; slices++) {
      if (slices > 1000) throw new Error(`the program does not end; pc ${this.hart.pc.toString(16)}`);
      this.hart.run(10_000);
    }
    return (register) => this.hart.readRegister(register);
  }
}

const A0 = 10;
const A1 = 11;
const A2 = 12;

describe.each(TIERS)("code and data beyond 4 GiB, $name", ({ translationThreshold }) => {
  const machine = new Machine(translationThreshold);
  const { memory } = machine;
  /** Where host addresses reach 2^32, and where offsets in RAM do. */
  const hostSeam = BASE + 2 ** 32 - memory.ramOffset;
  const seams = [hostSeam, BASE + 2 ** 32];

  it("loads, stores, atomics, floating point and cache blocks", () => {
    const x = machine.run(`
      li s0, ${DATA}; li s1, 600; li a0, 0; li t1, 3
      loop:
        slli t2, s1, 3; add t2, t2, s0
        sd s1, 0(t2); ld t3, 0(t2); add a0, a0, t3
        sw a0, 2045(t2); lwu t4, 2045(t2); add a0, a0, t4
        amoadd.d t3, s1, (t2); amomaxu.w t3, s1, (t2)
        again: lr.d t3, (t2); add t3, t3, t1; sc.d t4, t3, (t2); bnez t4, again
        fld fa0, 0(t2); fsd fa0, 1024(t2); ld t3, 1024(t2); add a0, a0, t3
        addi s1, s1, -1; bnez s1, loop
      li t2, ${DATA + 256}; cbo.zero (t2); ld a1, 32(t2)`);
    let sum = 0n;
    for (let n = 600n; n > 0n; n--) {
      sum += n;
      sum = BigInt.asUintN(64, sum + (sum & 0xffff_ffffn) + 2n * n + 3n);
    }
    expect(x(A0)).toBe(sum);
    expect(x(A1)).toBe(0n);
    expect(memory.data.getBigUint64(DATA - BASE + 8, true)).toBe(5n);
  });

  it.each(seams)("code across the seam at %i, called, returned from and looped in", (seam) => {
    machine.place(seam - 10, `loop: addi a0, a0, 3; addi a1, a1, 1; add a0, a0, a1; bne a1, a2, loop; ret`);
    const x = machine.run(`
      li s0, ${seam - 10}; li s1, 4000; li a0, 0
      outer: li a1, 0; li a2, 50; jalr s0; addi s1, s1, -1; bnez s1, outer`);
    expect(x(A0)).toBe(4000n * (50n * 3n + (50n * 51n) / 2n));
  });

  it.each([...seams, CODE + 0x10_0000])("code at %i that is written while it is executed", (address) => {
    machine.place(address - 4, "addi a0, a0, 5; ret");
    const five = memory.data.getUint32(address - 4 - BASE, true);
    machine.place(address - 4, "addi a0, a0, 1; ret");
    const x = machine.run(`
      li s0, ${address - 4}; li s1, 20; li a0, 0; li a1, ${five}
      outer:
        li s2, 3000
        inner: jalr s0; addi s2, s2, -1; bnez s2, inner
        lw t3, 0(s0); sw a1, 0(s0); mv a1, t3; fence.i
        addi s1, s1, -1; bnez s1, outer`);
    expect(x(A0)).toBe(10n * 3000n * 6n);
  });

  it("code that a device writes there", () => {
    const subroutine = CODE + 0x20_0000;
    let total = 0n;
    for (const step of [1n, 2n, 7n]) {
      machine.place(subroutine, `addi a0, a0, ${step}; ret`);
      const x = machine.run(`li s0, ${subroutine}; li s1, 5000; li a0, 0
        loop: jalr s0; addi s1, s1, -1; bnez s1, loop`);
      total += x(A0);
    }
    expect(total).toBe(50_000n);
  });

  it("page tables, code and data in S-mode", () => {
    const tables = new PageTableBuilder({ memory, format: SV48, tables: TABLES, tablesSize: 0x1_0000 });
    const flags = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;
    tables.map(BigInt(VA), CODE + 0x30_0000, flags);
    // The guest's next page is 4 GiB below.
    tables.map(BigInt(VA + 0x1000), CODE + 0x30_0000 - 4 * GIB, flags);
    tables.map(BigInt(CODE), CODE, flags);
    const page = CODE + 0x30_0000;
    const source = "loop: addi a0, a0, 1; ld t0, 0(a1); add a0, a0, t0; bne a0, a2, loop; ret";
    machine.place(page + 0xff8, source);
    machine.place(page - 4 * GIB - 8, source);
    memory.data.setBigUint64(page - BASE, 4n, true);
    const x = machine.run(`
      li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
      li t0, ${tables.satp()}; csrw satp, t0; sfence.vma
      la t0, trap2; csrw mtvec, t0
      li t0, 3 << 11; csrc mstatus, t0; li t0, 1 << 11; csrs mstatus, t0
      la t0, supervisor; csrw mepc, t0; mret
      supervisor: li s0, ${VA + 0xff8}; li a1, ${VA}; li a2, 5000; li a0, 0; jalr s0; ecall
      .balign 4
      trap2: csrw satp, zero; csrr a1, mcause`);
    expect(x(A1)).toBe(9n);
    expect(x(A0)).toBe(5000n);
    expect(x(A2)).toBe(5000n);
  });

  it("was executed by the tier that it is about", () => {
    const { instructionsInRegions = 0, instructions = 0 } = machine.processor.counters();
    if (translationThreshold === 0) expect(instructionsInRegions).toBe(0);
    else expect(instructionsInRegions).toBeGreaterThan(instructions / 2);
    // What is worth translating is known by the pages' contents.
    expect(machine.processor.translations().length > 20).toBe(translationThreshold > 0);
  });
});
