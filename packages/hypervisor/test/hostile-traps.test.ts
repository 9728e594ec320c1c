import { uart16550 } from "@isomorph/io";
import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { firmwareOf, kernelOf, sbi } from "./support/guest.ts";
import { survive, tiers } from "./support/hostile.ts";

/** Guests that can never execute another instruction, and what the outcome says of them. */
const stuck = [
  {
    name: "stvec outside all memory",
    kernel: "li t0, 0x1000; csrw stvec, t0; .word 0",
    detail: /hart 0 traps without end.*pc 0x1000, cause 0x1, exception pc 0x1000, trap value 0x1000/,
  },
  {
    name: "stvec at a device",
    kernel: "li t0, 0xc000000; csrw stvec, t0; ecall; .word 0",
    detail: /cause 0x1, exception pc 0xc000000/,
  },
  {
    name: "stvec at the end of RAM, where an instruction runs over",
    kernel:
      "li t0, 0x807ffffe; li t1, 3; sh t1, 0(t0); li t0, 0x807ffffc; csrw stvec, t0; li t1, 1; sh t1, 0(t0); .word 0",
    // The half that is there is a nop, so the handler makes no progress only at the second one.
    detail: undefined,
  },
  {
    name: "a handler that is illegal itself",
    kernel: "la t0, trap; csrw stvec, t0; .word 0; .balign 4; trap: .word 0",
    detail: /cause 0x2/,
  },
  {
    name: "a handler that is a breakpoint",
    kernel: "la t0, trap; csrw stvec, t0; ebreak; .balign 4; trap: ebreak",
    detail: /cause 0x3/,
  },
  {
    name: "a handler without a page",
    kernel: `
      la t0, trap; csrw stvec, t0
      li t0, 8 << 60; li t1, 0x80400; or t0, t0, t1; csrw satp, t0; sfence.vma
      nop
      .balign 4
      trap: j trap`,
    detail: /cause 0xc/,
  },
  {
    name: "a root page table outside RAM",
    kernel: "li t0, 8 << 60; li t1, 0x100; or t0, t0, t1; csrw satp, t0; nop",
    detail: /cause 0x1/,
  },
  {
    name: "mtvec outside all memory, in M-mode",
    firmware: "li t0, 0x1000; csrw mtvec, t0; .word 0",
    detail: /cause 0x1, exception pc 0x1000/,
  },
  {
    name: "M-mode forbids itself to execute by a locked PMP entry",
    firmware: "li t0, -1; csrw pmpaddr0, t0; li t0, 0x98; csrw pmpcfg0, t0; nop",
    detail: /cause 0x1/,
  },
  {
    name: "a supervisor whose traps go to an M-mode that cannot execute",
    firmware: `
      li t0, 0x40; csrw mtvec, t0
      li t0, 0x800; csrs mstatus, t0
      la t0, s; csrw mepc, t0; mret
      s: .word 0`,
    detail: /cause 0x1/,
  },
];

const image = (guest: { kernel?: string; firmware?: string }) =>
  guest.kernel === undefined
    ? { firmware: firmwareOf(guest.firmware ?? "") }
    : { kernel: kernelOf(guest.kernel) };

/** Guests that execute, and get nowhere. */
const busy = [
  { name: "a tight loop", kernel: "1: j 1b" },
  { name: "a loop that nothing translates", kernel: "1: csrr t0, time; j 1b" },
  {
    name: "a handler that returns to what traps",
    kernel: "la t0, t; csrw stvec, t0; .word 0; .balign 4; t: sret",
  },
  {
    name: "two handlers that trap into each other",
    firmware: `
      la t0, m; csrw mtvec, t0; la t0, s; csrw stvec, t0
      li t0, 0xb100; csrw medeleg, t0
      li t0, 0x800; csrs mstatus, t0
      la t0, s; csrw mepc, t0; mret
      .balign 4
      s: nop; .word 0
      .balign 4
      m: nop; la t0, s; csrw mepc, t0; mret`,
  },
  { name: "environment calls without end", kernel: "1: li a7, 0x10; li a6, 3; ecall; j 1b" },
  { name: "calls that nobody knows", kernel: "li a7, 1 << 20; 1: addi a7, a7, 1; ecall; j 1b" },
  {
    name: "a timer in the past, set again and again",
    kernel: `
      la t0, t; csrw stvec, t0; li t0, 0x20; csrw sie, t0; csrsi sstatus, 2
      1: csrw stimecmp, zero; j 1b
      .balign 4
      t: li t0, -1; csrw stimecmp, t0; addi s0, s0, 1; csrw stimecmp, s0; sret`,
  },
  {
    name: "a timer in the past by firmware call, and waiting for it masked",
    kernel: "1: li a7, 0x54494d45; li a6, 0; addi s0, s0, 1; mv a0, s0; ecall; wfi; j 1b",
  },
  {
    name: "an interrupt that is never acknowledged",
    kernel: `
      la t0, t; csrw stvec, t0
      li s1, 0xc000000; li t0, 1; sw t0, 40(s1)          # the UART's source has a priority
      li t0, 1 << 10; li t1, 0xc002000; sw t0, 0(t1)     # and is enabled
      li t0, 0x10000000; li t1, 2; sb t1, 1(t0)          # the UART interrupts when it can transmit: always
      li t0, 0x200; csrw sie, t0; csrsi sstatus, 2
      1: wfi; j 1b
      .balign 4
      t: addi s0, s0, 1; sret`,
  },
  {
    name: "a software interrupt that sends itself",
    kernel: `
      la t0, t; csrw stvec, t0; csrwi sie, 2; csrsi sstatus, 2
      1: csrsi sip, 2; j 1b
      .balign 4
      t: csrci sip, 2; li a7, 0x735049; li a6, 0; li a0, 1; li a1, 0; ecall; sret`,
  },
  { name: "fences without end", kernel: "1: sfence.vma; fence.i; j 1b" },
  {
    name: "satp back and forth",
    kernel: `
      la s0, root; srli s1, s0, 12; li t0, 8 << 60; or s1, s1, t0
      li t1, 0x200000cf; sd t1, 16(s0)                   # 1 GiB at 0x80000000, mapped to itself
      1: csrw satp, s1; csrw satp, zero; j 1b
      .balign 4096
      root: .zero 4096`,
  },
];

/** Guests that stop executing by themselves. */
const idle = [
  { name: "wfi with everything masked", kernel: "1: wfi; j 1b" },
  {
    name: "wfi with a timer that never comes",
    kernel: "li t0, -1; csrw stimecmp, t0; li t0, 0x20; csrw sie, t0; 1: wfi; j 1b",
  },
  { name: "wfi with a timer past its time, but masked", kernel: "csrw stimecmp, zero; 1: wfi; j 1b" },
  { name: "a hart that stops itself", kernel: "li a7, 0x48534d; li a6, 1; ecall; .word 0" },
  { name: "a hart that suspends itself", kernel: "1: li a7, 0x48534d; li a6, 3; li a0, 0; ecall; j 1b" },
];

describe.for(tiers)("$tier: a guest in trouble", ({ cpu }) => {
  it.for(stuck)("that cannot go on: $name", async ({ detail, ...guest }) => {
    const { outcome } = await survive({ cpu, ...image(guest) });
    expect(outcome.reason).toBe(detail === undefined ? "instruction-limit" : "crashed");
    if (outcome.reason === "crashed") expect(outcome.detail).toMatch(detail as RegExp);
  });

  it.for(busy)("that gets nowhere can be limited, and stopped at once: $name", async (guest) => {
    await using vm = await createVm({
      cpu,
      memory: 8 << 20,
      ...image(guest),
      devices: { console: uart16550() },
    });
    expect(await vm.run({ maxInstructions: 200_000 })).toEqual({ reason: "instruction-limit" });
    expect(vm.counters()["vm.instructions"]).toBe(200_000);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const outcome = await vm.run({ signal: AbortSignal.timeout(40) });
    clearInterval(timer);
    expect(outcome.reason).toBe("aborted");
    expect(turns).toBeGreaterThan(0);
  });

  it.for(busy)("does not keep other harts from their turns: $name", async (guest) => {
    if (guest.kernel === undefined) return;
    const kernel = kernelOf(`
      la a1, other; li a0, 1; li a2, 0; ${sbi.hartStart}
      ${guest.kernel}
      .balign 4
      other:
      li s0, 100000
      2: addi s0, s0, -1; bnez s0, 2b
      ${sbi.shutdown}`);
    const { outcome } = await survive({ cpu, kernel, harts: 2 }, { maxInstructions: 5_000_000 });
    expect(outcome).toEqual({ reason: "power-off", code: 0 });
  });

  it.for(idle)("that sleeps costs nothing and can be stopped: $name", async ({ kernel }) => {
    await using vm = await createVm({ cpu, memory: 8 << 20, kernel: kernelOf(kernel) });
    const outcome = await vm.run({ signal: AbortSignal.timeout(100) });
    expect(outcome.reason).toBe("aborted");
    expect(vm.counters()["vm.instructions"]).toBeLessThan(100);
    expect(vm.counters()["vm.slices"]).toBeLessThan(20);
  });
});

describe("stopping", () => {
  it("while a reset is pending stops all the same", async () => {
    await using vm = await createVm({ cpu: tiers[0].cpu, memory: 8 << 20, kernel: kernelOf("1: j 1b") });
    const done = vm.run();
    await new Promise((resolve) => setTimeout(resolve, 5));
    vm.reset();
    await vm.stop();
    expect(await done).toEqual({ reason: "stopped" });
    expect(vm.counters()["vm.resets"]).toBe(1);
    expect(await vm.run({ maxInstructions: 10 })).toEqual({ reason: "instruction-limit" });
  });

  it("and resetting work while paused, and the machine stays paused", async () => {
    await using vm = await createVm({ cpu: tiers[0].cpu, memory: 8 << 20, kernel: kernelOf("1: j 1b") });
    const done = vm.run();
    vm.pause();
    await new Promise((resolve) => setTimeout(resolve, 5));
    vm.reset();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(vm.counters()["vm.resets"]).toBe(1);
    const { "vm.instructions": before } = vm.counters();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(vm.counters()["vm.instructions"]).toBe(before);
    await vm.stop();
    expect(await done).toEqual({ reason: "stopped" });
    const again = vm.run({ maxInstructions: 100 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    vm.resume();
    expect(await again).toEqual({ reason: "instruction-limit" });
  });

  it("by close ends a guest that resets without end", async () => {
    const vm = await createVm({ cpu: tiers[0].cpu, memory: 8 << 20, kernel: kernelOf(sbi.reboot) });
    const done = vm.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await vm.close();
    expect(await done).toEqual({ reason: "stopped" });
  });

  it("takes a limit of whole instructions only", async () => {
    await using vm = await createVm({ cpu: tiers[0].cpu, memory: 8 << 20, kernel: kernelOf("1: j 1b") });
    await expect(vm.run({ maxInstructions: 0.5 })).rejects.toThrow(/whole number.*0\.5/);
    await expect(vm.run({ maxInstructions: Number.NaN })).rejects.toThrow(RangeError);
    expect(await vm.run({ maxInstructions: 0 })).toEqual({ reason: "instruction-limit" });
  });
});
