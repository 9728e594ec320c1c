import { describe, expect, it } from "vitest";
import { createVm } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { kernelOf, sbi } from "./support/guest.ts";
import { chooser, ROUNDS, survive, tiers } from "./support/hostile.ts";
import { accessKernel, deviceProgram, everyDevice, garbage } from "./support/hostile-devices.ts";

const threads = nodeThreads();

/** Harts that start, stop, suspend, fence and interrupt each other at random; hart 0 ends it after some rounds. */
const chaos = (rounds: number, seed: number): Uint8Array =>
  kernelOf(`
    li a0, 0
  start:
    mv s0, a0
    li s2, ${rounds}
    la t0, trap; csrw stvec, t0; li t0, 0x222; csrw sie, t0; csrsi sstatus, 2
  next:
    rdtime t0; rdcycle t1; xor t0, t0, t1; li t1, ${seed * 2 + 0x5bd1e995}; mul t0, t0, t1; srli s3, t0, 13
    addi s2, s2, -1
    bnez s0, 1f
    beqz s2, off
  1: andi t0, s3, 7
    li t1, 3; bltu t0, t1, begin
    beq t0, t1, end
    li t1, 4; beq t0, t1, fence
    li t1, 5; beq t0, t1, fence
    li t1, 6; beq t0, t1, interrupt
    # Sleeps, but not for ever: a timer that interrupts before the sleep could not end it.
    csrci sstatus, 2
    rdtime t0; li t1, 2000; add t0, t0, t1; csrw stimecmp, t0
    li a7, 0x48534d; li a6, 3; li a0, 0; ecall
    csrsi sstatus, 2
    j next
  begin: srli a0, s3, 3; andi a0, a0, 3; la a1, start; li a2, 0; ${sbi.hartStart}
    j next
  end: beqz s0, next
    li a7, 0x48534d; li a6, 1; ecall
  fence: li a7, 0x52464e43; andi a6, s3, 1; srli a0, s3, 5; andi a0, a0, 15; li a1, 0; li a2, 0; li a3, -1; ecall
    j next
  interrupt: srli a0, s3, 5; andi a0, a0, 15; li a1, 0; ${sbi.sendIpi}
    j next
  off: ${sbi.shutdown}
    .balign 4
  trap: csrw sip, zero; li t0, -1; csrw stimecmp, t0; sret`);

describe.for(tiers)("$tier: guests that drive a machine with threads wrongly", ({ cpu }) => {
  it("with garbage in rings and registers, from several harts at once, never get at the host", async () => {
    const totals: Record<string, number> = {};
    for (let seed = 1; seed <= 4 * ROUNDS; seed++) {
      const choose = chooser(seed);
      const transport = seed % 2 === 0 ? "pci" : "mmio";
      const { devices, late } = everyDevice(seed);
      const program = seed % 4 === 0 ? garbage(choose, 1000) : deviceProgram(choose, transport, 120);
      const { counters } = await survive(
        {
          cpu,
          transport,
          clock: "host",
          threads,
          harts: 1 + (seed % 4),
          devices,
          kernel: accessKernel(program),
        },
        { milliseconds: 500, maxInstructions: 2 ** 40 },
      );
      for (const [name, value] of Object.entries(counters)) {
        const kind = name.split(".").at(-1) as string;
        totals[kind] = (totals[kind] ?? 0) + value;
      }
      while (late.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(totals.reads).toBeGreaterThan(100);
    expect(totals.violations).toBeGreaterThan(5);
  });

  it("are reset, paused and closed at any time", async () => {
    for (let seed = 1; seed <= 2 * ROUNDS; seed++) {
      const { devices, late } = everyDevice(seed);
      const kernel = accessKernel(deviceProgram(chooser(9000 + seed), "pci", 60));
      const vm = await createVm({ cpu, devices, kernel, harts: 3, threads, memory: 8 << 20 });
      const done = vm.run();
      for (let turn = 0; turn < 12; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (turn % 3 === 0) vm.reset();
        if (turn === 5) vm.pause();
        if (turn === 7) vm.resume();
      }
      await vm.close();
      expect((await done).reason).toBe("stopped");
      while (late.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it("whose harts start, stop, fence and interrupt each other at random come to their end", async () => {
    for (let seed = 1; seed <= 3 * ROUNDS; seed++) {
      await using vm = await createVm({ cpu, kernel: chaos(3000, seed), harts: 4, threads, memory: 8 << 20 });
      expect(await vm.run({ signal: AbortSignal.timeout(60_000) })).toEqual({ reason: "power-off", code: 0 });
    }
  });
});
