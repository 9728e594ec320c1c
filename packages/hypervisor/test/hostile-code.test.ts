import { createHash } from "node:crypto";
import { riscv64 } from "@isomorph/cpu";
import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { firmwareOf, kernelOf, sbi } from "./support/guest.ts";
import { chooser, ROUNDS, survive, tiers } from "./support/hostile.ts";

/** Ends M- and S-mode guests with the code in `register`, by the test device. */
const exit = (register: string) =>
  `li t0, 0x100000; slli t1, ${register}, 16; li t2, 0x3333; or t1, t1, t2; sw t1, 0(t0); 9: j 9b`;

/** Long enough that what runs often has been translated. */
const OFTEN = 200_000;

/** Guests whose code means something else than it did, or is not what it seems; each ends with code 1. */
const tricky = [
  {
    name: "PMP forbids the second half of a page whose first half is hot",
    firmware: `
      la t0, trap; csrw mtvec, t0
      li t0, -1; csrw pmpaddr3, t0
      li t0, 0x80001000 >> 2; csrw pmpaddr0, t0
      li t0, 0x80001800 >> 2; csrw pmpaddr1, t0
      li t0, 0x80002000 >> 2; csrw pmpaddr2, t0
      li t0, 0x1f0b0f0f; csrw pmpcfg0, t0               # the third entry lacks X
      li t0, 0x1800; csrc mstatus, t0; li t0, 0x800; csrs mstatus, t0
      la t0, user; csrw mepc, t0; li s0, ${OFTEN}; mret
      .balign 4
      trap: csrr a0, mcause; csrr a1, mepc; la a2, denied
      sub a1, a1, a2; snez a1, a1; slli a1, a1, 8; or a0, a0, a1; ${exit("a0")}
      .org 0x80001000
      user: la t3, near
      1: addi s0, s0, -1; jr t3
      .org 0x800017f8
      near: bnez s0, 1b; nop
      denied: li a0, 99; ${exit("a0")}`,
  },
  {
    name: "cbo.zero clears code in the middle of its block",
    kernel: `
      la t0, trap; csrw stvec, t0; li s0, ${OFTEN}
      1: la t1, f; jalr t1; addi s0, s0, -1; bnez s0, 1b
      la t0, block; cbo.zero (t0); fence.i
      la t1, f; jalr t1; li a0, 77; ${exit("a0")}
      .balign 4
      trap: csrr a0, scause; addi a0, a0, -1; ${exit("a0")}
      .balign 64
      block: nop; nop; nop; nop
      f: addi s1, s1, 1; ret
      .balign 64`,
  },
  {
    name: "cbo.zero at a block of which PMP allows the first half only",
    firmware: `
      la t0, trap; csrw mtvec, t0
      la t0, block; srli t0, t0, 2; addi t0, t0, 8; csrw pmpaddr0, t0; addi t0, t0, 8; csrw pmpaddr1, t0
      li t0, -1; csrw pmpaddr2, t0; li t0, 0x1f080f; csrw pmpcfg0, t0
      li t0, 0xf0; csrw menvcfg, t0
      li t0, 0x1800; csrc mstatus, t0; li t0, 0x800; csrs mstatus, t0
      la t0, user; csrw mepc, t0; mret
      .balign 4
      trap: csrr a0, mcause; la t0, block; lbu t1, 0(t0); bnez t1, 1f; li a0, 99
      1: addi a0, a0, -6; ${exit("a0")}
      user: la t0, block; cbo.zero (t0); li a0, 98; ecall
      .balign 64
      block: .word -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1`,
  },
  {
    name: "a jump to far below the start of RAM faults where it went",
    firmware: `
      la t0, trap; csrw mtvec, t0; li s1, ${OFTEN}
      2: jal zero, 0x7ff10000
      .balign 4
      trap: addi s1, s1, -1; bnez s1, 2b
      csrr a0, mcause; csrr a1, mepc; li a2, 0x7ff10000
      sub a1, a1, a2; snez a1, a1; slli a1, a1, 8; or a0, a0, a1; ${exit("a0")}`,
  },
  {
    name: "code that is stored above 2 GiB of RAM",
    memory: 3 * 2 ** 30,
    kernel: `
      la t0, trap; csrw stvec, t0
      li s2, 0x80000000 + 0xa0000000
      la t0, f; ld t1, 0(t0); sd t1, 0(s2); fence.i
      li s0, ${OFTEN}
      1: jalr s2; addi s0, s0, -1; bnez s0, 1b
      la t0, g; ld t1, 0(t0); sd t1, 0(s2); fence.i
      jalr s2
      li t0, ${OFTEN} + 100; sub a0, s1, t0; seqz a0, a0; ${exit("a0")}
      .balign 4
      trap: csrr a0, scause; addi a0, a0, 64; ${exit("a0")}
      .balign 8
      f: .word 0x00148493, 0x00008067                   # addi s1, s1, 1; ret
      g: .word 0x06448493, 0x00008067                   # addi s1, s1, 100; ret`,
  },
  {
    name: "jumps into the middle of instructions",
    kernel: `
      la t0, trap; csrw stvec, t0; li s0, ${OFTEN}
      la s3, wide; addi s4, s3, 2
      1: jalr s3; jalr s4; addi s0, s0, -1; bnez s0, 1b
      li t0, ${OFTEN} * 3; sub a0, s1, t0; seqz a0, a0; ${exit("a0")}   # one from the start, two from the middle
      .balign 4
      trap: csrr a0, scause; addi a0, a0, 64; ${exit("a0")}
      wide: .half 0x0337, 0x0485                         # lui t1, 0x4850; from its middle: c.addi s1, 1
      c.addi s1, 1
      c.jr ra
      .balign 4`,
  },
  {
    name: "an instruction across two pages of which the second is remapped",
    kernel: `
      la t0, trap; csrw stvec, t0
      # Sv39: 1 GiB of RAM mapped to itself; two pages at 0x40000000, the second one of two frames.
      la s0, root; la s2, middle; la s3, leaf
      li t1, 0x200000cf; sd t1, 16(s0)
      srli t1, s2, 2; ori t1, t1, 1; sd t1, 8(s0)
      srli t1, s3, 2; ori t1, t1, 1; sd t1, 0(s2)
      la t2, first; srli t1, t2, 2; ori t1, t1, 0xcf; sd t1, 0(s3)
      la t2, second; srli s4, t2, 2; ori s4, s4, 0xcf
      la t2, third; srli s5, t2, 2; ori s5, s5, 0xcf
      srli t1, s0, 12; li t0, 8 << 60; or t1, t1, t0; csrw satp, t1
      li s6, 0x40000ffe; li s0, ${OFTEN} / 4
      1: sd s4, 8(s3); sfence.vma; jalr s6
      sd s5, 8(s3); sfence.vma; jalr s6
      addi s0, s0, -1; bnez s0, 1b
      csrw satp, zero
      li t0, ${OFTEN} / 4 * 101; sub a0, s1, t0; seqz a0, a0; ${exit("a0")}
      .balign 4
      trap: csrw satp, zero; csrr a0, scause; addi a0, a0, 64; ${exit("a0")}
      .balign 4096
      root: .zero 4096
      middle: .zero 4096
      leaf: .zero 4096
      first: .zero 4094
      .half 0x8493                                       # addi s1, s1, ...
      second: .half 0x0014; c.jr ra                      # ... 1
      .balign 4096
      third: .half 0x0644; c.jr ra                       # ... 100
      .balign 4096`,
  },
];

describe.for(tiers)("$tier: code that is not what it was", ({ tier, cpu }) => {
  it.for(tricky)("$name", async ({ kernel, firmware, memory }) => {
    const images =
      kernel === undefined ? { firmware: firmwareOf(firmware ?? "") } : { kernel: kernelOf(kernel) };
    const { outcome, counters } = await survive(
      { cpu, ...images, ...(memory === undefined ? {} : { memory }) },
      { maxInstructions: 12_000_000 },
    );
    expect(outcome).toEqual({ reason: "power-off", code: 1 });
    const isLong = (counters["cpu.instructions"] ?? 0) > OFTEN;
    expect((counters["cpu.regionsTranslated"] ?? 0) > 0).toBe(isLong && tier === "translated");
  });
});

it("code that is rewritten without end leaves modules, regions and memory bounded", async () => {
  // 32 functions on pages of their own; each round writes them anew and calls each of them.
  const kernel = kernelOf(`
    li s4, 0x00148493; li s5, 1 << 20; li s8, 0x00008067; li s7, 4096 + 64
    0: li s2, 0x80400000; li s3, 32
    1: sw s4, 0(s2); sw s8, 4(s2); fence.i
    jalr s2; jalr s2
    add s2, s2, s7; addi s3, s3, -1; bnez s3, 1b
    add s4, s4, s5; j 0b`);
  await using vm = await createVm({ cpu: tiers[1].cpu, memory: 8 << 20, kernel, clock: "instructions" });
  const count = (name: string) => vm.counters()[`cpu.${name}`] as number;
  await vm.run({ maxInstructions: 100_000 });
  const before = process.memoryUsage().rss;
  let rewritten = 0;
  for (let round = 0; round < 5 * ROUNDS; round++) {
    await vm.run({ maxInstructions: 40_000 });
    rewritten = count("regionsDropped");
    expect(count("regions")).toBeLessThan(100);
  }
  expect(rewritten).toBeGreaterThan(5000);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 << 20);
});

it("a page that is data beside its code stops being translated", async () => {
  const kernel = kernelOf(`
    la s2, f; la s3, data; li s0, 100000
    1: jalr s2; sd s0, 0(s3); addi s0, s0, -1; bnez s0, 1b
    ${sbi.shutdown}
    .balign 4096
    f: addi s1, s1, 1; ret
    .balign 64
    data: .dword 0`);
  const { outcome, counters } = await survive({ cpu: tiers[1].cpu, kernel });
  expect(outcome).toEqual({ reason: "power-off", code: 0 });
  expect(counters["cpu.regionsTranslated"]).toBeLessThan(100);
});

it("a page that was data beside its code is translated again when it holds code for good", async () => {
  // The code is run, data is written beside it, and then the page becomes code of another kind.
  const kernel = kernelOf(`
    la s2, f; la s3, data; li s0, 200000
    1: jalr s2; sd s0, 0(s3); addi s0, s0, -1; bnez s0, 1b
    li t0, 0x00248493; sw t0, 0(s2); fence.i              # addi s1, s1, 2
    li s0, 1000000
    2: jalr s2; addi s0, s0, -1; bnez s0, 2b
    ${sbi.shutdown}
    .balign 4096
    f: addi s1, s1, 1; c.nop; c.jr ra
    .balign 64
    data: .dword 0`);
  const cpu = riscv64({ translationThreshold: 100 });
  const { outcome, counters } = await survive({ cpu, kernel }, { maxInstructions: 10_000_000 });
  expect(outcome).toEqual({ reason: "power-off", code: 0 });
  // Until a batch is waited for no longer, some slices; while it is data, the first loop; then almost nothing.
  expect(counters["cpu.instructionsInterpreted"]).toBeLessThan(3_000_000);
  expect(counters["cpu.instructionsInRegions"]).toBeGreaterThan(4_000_000);
});

/** Random bytes for RAM: garbage, instructions that are likely to be valid, and branches among them. */
function randomCode(seed: number, bytes: number): Uint8Array {
  const { below, pick, word } = chooser(seed);
  const code = new DataView(new ArrayBuffer(bytes));
  const opcodes = [
    0x13, 0x33, 0x1b, 0x3b, 0x03, 0x23, 0x63, 0x63, 0x6f, 0x67, 0x37, 0x17, 0x2f, 0x53, 0x07, 0x27, 0x43,
    0x73, 0x0f,
  ];
  for (let at = 0; at + 4 <= bytes; at += pick([2, 4, 4])) {
    const kind = below(10);
    if (kind === 0) code.setUint32(at, word(), true);
    else if (kind < 3) code.setUint16(at, below(65536), true);
    else {
      const opcode = pick(opcodes);
      // Short branches keep the code together; few of the system instructions are CSR writes.
      const fields =
        opcode === 0x6f ? below(2 ** 9) << 21 : opcode === 0x63 ? below(2 ** 18) << 8 : word() & ~0x7f;
      code.setUint32(at, (fields | opcode) >>> 0, true);
    }
  }
  return new Uint8Array(code.buffer);
}

/** What a hart's registers hold in the end. */
const stateOf = (vm: Awaited<ReturnType<typeof createVm>>) => {
  const hart = vm.harts[0];
  if (hart === undefined) throw new Error("no hart");
  return {
    pc: hart.pc,
    mode: hart.mode,
    x: Array.from({ length: 32 }, (_, index) => hart.readRegister(index)),
    f: Array.from({ length: 32 }, (_, index) => hart.readFloatRegister(index)),
    csrs: [0x100, 0x104, 0x105, 0x140, 0x141, 0x142, 0x143, 0x180, 0x003].map((address) =>
      hart.readCsr(address),
    ),
  };
};

it("random code does the same interpreted and translated, trap by trap", async () => {
  let crashed = 0;
  let regions = 0;
  for (let seed = 1; seed <= 12 * ROUNDS; seed++) {
    // Handlers go on after what trapped, so that a program is executed for long.
    const head = `
      la t0, t; csrw stvec, t0; li t0, 0x6000; csrs sstatus, t0
      la s0, body; la sp, body + 2048; la gp, body; la tp, body
      j body
      .balign 4
      t: csrw sscratch, t1; csrr t1, sepc; addi t1, t1, 4; la t0, body; bltu t1, t0, 1f
      la t0, body + 4000; bltu t1, t0, 2f
      1: la t1, body
      2: csrw sepc, t1; csrr t1, sscratch; sret
      .balign 4096
      body:`;
    const start = kernelOf(head);
    const kernel = new Uint8Array(start.length + 8192);
    kernel.set(start);
    kernel.set(randomCode(seed, 8192), start.length);
    const ends: unknown[] = [];
    for (const { cpu } of tiers) {
      const vm = await createVm({
        cpu,
        memory: 4 << 20,
        kernel,
        clock: "instructions",
        rngSeed: new Uint8Array(32),
      });
      const outcomes: unknown[] = [];
      // In pieces, so that translations that wait for a slice are made.
      for (let piece = 0; piece < 12; piece++) {
        const outcome = await vm.run({ maxInstructions: 2500 });
        outcomes.push(outcome);
        if (outcome.reason !== "instruction-limit") break;
        outcomes.push(stateOf(vm));
      }
      const { reason } = outcomes.at(-1) as { reason?: string };
      if (reason === "crashed") crashed++;
      regions += vm.counters()["cpu.regionsTranslated"] ?? 0;
      ends.push({
        outcomes,
        state: stateOf(vm),
        ram: createHash("sha256").update(vm.memory.bytes).digest("hex"),
      });
      await vm.close();
    }
    expect(ends[1], `seed ${seed}`).toEqual(ends[0]);
  }
  expect(crashed).toBeLessThan(24 * ROUNDS);
  expect(regions).toBeGreaterThan(12 * ROUNDS);
});

it("hart state of a machine above 2 GiB is found by a debugger", async () => {
  await using vm = await createVm({ cpu: riscv64(), memory: 3 * 2 ** 30, kernel: kernelOf("1: j 1b") });
  expect(vm.harts[0]?.translate(0x80000000n + 0xa0000000n)).toBe(0x80000000 + 0xa0000000);
  expect(vm.harts[0]?.translate(0x80000000n + 0xc0000000n)).toBeUndefined();
});
