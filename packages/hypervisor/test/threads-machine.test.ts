import { readFileSync } from "node:fs";
import { riscv64 } from "@isomorph/cpu";
import { uart16550 } from "@isomorph/io";
import { describe, expect, it } from "vitest";
import { createVm, type HartThreads, type Vm, type VmConfig } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { firmwareOf, kernelOf, sbi } from "./support/guest.ts";

const COUNTERS = 0x80400000;
const decoder = new TextDecoder();
const signal = () => AbortSignal.timeout(30_000);

const defaults = () => ({ cpu: riscv64(), memory: 16 << 20, harts: 3, threads: nodeThreads() });

const machine = (config: Partial<VmConfig>): Promise<Vm> => createVm({ ...defaults(), ...config });

/** All harts count, each in a doubleword of its own. */
const counting = kernelOf(`
  li a0, 1; la a1, other; li a2, 0; ${sbi.hartStart}
  li a0, 2; la a1, other; li a2, 0; ${sbi.hartStart}
  li a0, 0
other:
  slli t0, a0, 6
  li t1, ${COUNTERS}
  add t0, t0, t1
1: addi t2, t2, 1
  sd t2, 0(t0)
  j 1b`);

const counts = ({ memory }: Pick<Vm, "memory">): number[] =>
  [0, 1, 2].map((hart) => Number(memory.data.getBigUint64(COUNTERS - memory.base + 64 * hart, true)));

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const untilAllCount = (vm: Pick<Vm, "memory">, from: readonly number[] = [0, 0, 0]) =>
  expect
    .poll(() => counts(vm).every((count, hart) => count > (from[hart] as number)), {
      timeout: 20_000,
      interval: 5,
    })
    .toBe(true);

describe("a machine with harts in threads", () => {
  it("pauses all harts and time, and lets them go on", async () => {
    await using vm = await machine({ kernel: counting });
    const run = vm.run({ signal: signal() });
    await untilAllCount(vm);
    vm.pause();
    const before = counts(vm);
    const registers = vm.harts.map((hart) => Number(hart.readRegister(7)));
    const time = vm.harts[0]?.readCsr(0xc01);
    await pause(50);
    expect(counts(vm)).toEqual(before);
    expect(vm.harts[0]?.readCsr(0xc01)).toBe(time);
    // Registers are exact: each is at most the one count ahead that is not stored yet.
    for (const [hart, count] of before.entries())
      expect([0, 1]).toContain((registers[hart] as number) - count);
    vm.resume();
    await untilAllCount(vm, before);
    await vm.stop();
    expect(await run).toEqual({ reason: "stopped" });
  });

  it("goes on after a stop where it was, and can be paused meanwhile", async () => {
    await using vm = await machine({ kernel: counting });
    const first = vm.run({ signal: signal() });
    await untilAllCount(vm);
    await vm.stop();
    await first;
    const before = counts(vm);
    await pause(20);
    expect(counts(vm)).toEqual(before);
    vm.pause();
    const second = vm.run({ signal: signal() });
    await pause(20);
    expect(counts(vm)).toEqual(before);
    vm.resume();
    await untilAllCount(vm, before);
    await vm.stop();
    expect(await second).toEqual({ reason: "stopped" });
  });

  it("ends when the signal is aborted, and after a number of instructions", async () => {
    await using vm = await machine({ kernel: counting });
    const controller = new AbortController();
    const run = vm.run({ signal: controller.signal });
    await untilAllCount(vm);
    controller.abort("enough");
    expect(await run).toEqual({ reason: "aborted", cause: "enough" });
    const before = vm.counters()["vm.instructions"] as number;
    expect(await vm.run({ maxInstructions: 5_000_000, signal: signal() })).toEqual({
      reason: "instruction-limit",
    });
    expect((vm.counters()["vm.instructions"] as number) - before).toBeGreaterThanOrEqual(5_000_000);
  });

  it("starts afresh after a reset by the guest, by the embedder, and many times", async () => {
    const rebooting = kernelOf(`
      li a0, 1; la a1, other; li a2, 0; ${sbi.hartStart}
      li t0, ${COUNTERS}; ld t1, 0(t0); addi t1, t1, 1; sd t1, 0(t0); li t2, 20; beq t1, t2, 2f
    1: ld t1, 64(t0); beqz t1, 1b
      sd zero, 64(t0)
      ${sbi.reboot}
    2: ${sbi.shutdown}
    other: li t0, ${COUNTERS}; li t1, 1; sd t1, 64(t0)
    3: j 3b`);
    await using vm = await machine({ kernel: rebooting });
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
    expect(vm.counters()["vm.resets"]).toBe(19);
    await using other = await machine({ kernel: counting });
    const run = other.run({ signal: signal() });
    await untilAllCount(other);
    const before = counts(other);
    other.reset();
    await untilAllCount(
      other,
      before.map(() => 0),
    );
    await other.stop();
    await run;
  });

  it("serves devices to all harts", async () => {
    const kernel = kernelOf(`
      li a0, 1; la a1, other; li a2, 0; ${sbi.hartStart}
      li a0, 2; la a1, other; li a2, 0; ${sbi.hartStart}
      li a0, 0
    other:
      addi t3, a0, 'a'
      li t0, 0x10000000
      li t1, 200
      la t4, done
    1: lbu t2, 5(t0); andi t2, t2, 0x20; beqz t2, 1b
      sb t3, 0(t0)
      addi t1, t1, -1; bnez t1, 1b
      li t1, 1; amoadd.w zero, t1, (t4)
      bnez a0, 3f
    2: lw t1, 0(t4); li t2, 3; bne t1, t2, 2b
      ${sbi.shutdown}
    3: wfi; j 3b
      .balign 8
    done: .dword 0`);
    await using vm = await createVm({ ...defaults(), kernel, devices: { console: uart16550() } });
    let text = "";
    vm.devices.console.ontransmit = (bytes) => {
      text += decoder.decode(bytes);
    };
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
    vm.devices.console.flush();
    expect([...text].sort().join("")).toBe("a".repeat(200) + "b".repeat(200) + "c".repeat(200));
  });

  it("raises access faults where no device answers, and at misaligned device accesses", async () => {
    const kernel = kernelOf(`
      la t0, trap; csrw stvec, t0
      li s0, 0
      li t1, 0x4000000
      lw t2, 0(t1)
      sd t2, 8(t1)
      li t1, 0x10000000
      lw t2, 1(t1)
      li t0, 3; bne s0, t0, fail
      lbu t2, 5(t1)
      ${sbi.shutdown}
      .balign 4
    trap:
      csrr t3, scause
      li t4, 5; beq t3, t4, 1f; li t4, 7; bne t3, t4, fail
    1: addi s0, s0, 1
      csrr t3, sepc; lhu t4, 0(t3); addi t3, t3, 2; andi t4, t4, 3; addi t4, t4, -3; bnez t4, 2f; addi t3, t3, 2
    2: csrw sepc, t3
      sret
    fail: ${sbi.fail}`);
    await using vm = await createVm({ ...defaults(), kernel, devices: { console: uart16550() } });
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
  });

  it("sleeps in WFI, without using the host's processors, until its timer", async () => {
    const kernel = kernelOf(`
      li t0, 0x20; csrw sie, t0
      rdtime s0
      li t1, 5000000; add s1, s0, t1; csrw stimecmp, s1
    1: wfi; rdtime t0; blt t0, s1, 1b
      ${sbi.shutdown}`);
    await using vm = await machine({ kernel });
    const cpu = process.cpuUsage();
    const began = performance.now();
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
    const { user, system } = process.cpuUsage(cpu);
    expect(performance.now() - began).toBeGreaterThanOrEqual(499);
    expect((user + system) / 1000).toBeLessThan(250);
    expect(vm.counters()["vm.slices"]).toBeLessThan(20);
  });

  it("takes input while all harts sleep", async () => {
    const kernel = kernelOf(`
      li s0, 0x10000000
      li s1, 0xc000000
      li t0, 1
      sw t0, 40(s1)
      li t0, 1 << 10
      li t1, 0xc002000
      sw t0, 0(t1)
      li t0, 1
      sb t0, 1(s0)
      li t0, 0x200
      csrw sie, t0
    wait:
      wfi
      lbu t0, 5(s0)
      andi t0, t0, 1
      beqz t0, wait
      lbu a0, 0(s0)
      sb a0, 0(s0)
      li t0, 'q'
      bne a0, t0, again
      ${sbi.shutdown}
    again:
      li t1, 0xc200004
      lw t2, 0(t1)
      sw t2, 0(t1)
      j wait`);
    await using vm = await createVm({ ...defaults(), kernel, devices: { console: uart16550() } });
    let text = "";
    vm.devices.console.ontransmit = (bytes) => {
      text += decoder.decode(bytes);
    };
    const run = vm.run({ signal: signal() });
    for (const character of "abcq") {
      await pause(20);
      vm.devices.console.write(new TextEncoder().encode(character));
    }
    expect(await run).toEqual({ reason: "power-off", code: 0 });
    vm.devices.console.flush();
    expect(text).toBe("abcq");
  });

  it("describes a hart that traps without end", async () => {
    const kernel = kernelOf("li t0, 0x1000; csrw stvec, t0; unimp");
    await using vm = await machine({ kernel });
    const outcome = await vm.run({ signal: signal() });
    expect(outcome).toMatchObject({ reason: "crashed" });
    expect((outcome as { detail: string }).detail).toContain("hart 0 traps without end");
  });

  it("keeps apart the counters of its harts' work, and adds them up", async () => {
    await using vm = await machine({ kernel: counting });
    const run = vm.run({ signal: signal() });
    await untilAllCount(vm);
    await pause(50);
    await vm.stop();
    await run;
    const counters = vm.counters();
    expect(counters["cpu.instructions"]).toBe(counters["vm.instructions"]);
    const parts =
      (counters["cpu.instructionsInRegions"] ?? 0) + (counters["cpu.instructionsInterpreted"] ?? 0);
    expect(parts).toBe(counters["cpu.instructions"]);
    expect(counters["cpu.regionsTranslated"]).toBeGreaterThan(0);
  });

  it("saves a hart and restores it", async () => {
    await using vm = await machine({ kernel: counting });
    const run = vm.run({ signal: signal() });
    await untilAllCount(vm);
    vm.pause();
    const hart = vm.harts[1];
    const state = hart?.save();
    const count = hart?.readRegister(7);
    const before = counts(vm);
    vm.resume();
    await untilAllCount(vm, before);
    vm.pause();
    if (state !== undefined) hart?.restore(state);
    expect(hart?.readRegister(7)).toBe(count);
    vm.resume();
    await vm.stop();
    await run;
  });
});

describe("threads that do not do what they should", () => {
  /** Threads of Node, and a way to end them behind the machine's back. */
  function mortal(): { threads: HartThreads; kill: (hart: number) => unknown } {
    const real = nodeThreads();
    const failures = new Map<number, (error: unknown) => void>();
    return {
      threads: {
        now: real.now,
        spawn(start, onfailure) {
          failures.set(start.hart, onfailure);
          return real.spawn(start, onfailure);
        },
      },
      kill: (hart) => failures.get(hart)?.(new Error("killed")),
    };
  }

  it("fails the run when a thread ends, and each one after it", async () => {
    const { threads, kill } = mortal();
    await using vm = await machine({ kernel: counting, threads });
    const run = vm.run({ signal: signal() });
    await untilAllCount(vm);
    kill(1);
    await expect(run).rejects.toMatchObject({
      code: "ERR_VM_THREAD",
      message: "the thread of hart 1 has ended",
    });
    await expect(vm.run()).rejects.toMatchObject({ code: "ERR_VM_THREAD" });
  });

  it("cannot be made when a thread cannot be started, and ends those that were", async () => {
    const real = nodeThreads();
    let ended = 0;
    const threads: HartThreads = {
      now: real.now,
      spawn: ({ hart }) => ({
        ready: hart === 2 ? Promise.reject(new Error("no more threads")) : Promise.resolve(),
        terminate: () => void ended++,
      }),
    };
    await expect(machine({ kernel: counting, threads })).rejects.toMatchObject({
      code: "ERR_VM_THREAD",
      cause: { message: "no more threads" },
    });
    expect(ended).toBe(3);
  });

  it("closes while harts run, and twice", async () => {
    const vm = await machine({ kernel: counting });
    const run = vm.run();
    await untilAllCount(vm);
    await Promise.all([vm.close(), vm.close()]);
    expect(await run).toEqual({ reason: "stopped" });
    await expect(vm.run()).rejects.toMatchObject({ code: "ERR_VM_CLOSED" });
  });

  it.for([
    ["crossOriginIsolated", globalThis, "cross-origin isolated"],
    ["waitAsync", Atomics, "Atomics.waitAsync"],
  ] as const)("says what the host lacks: %s", async ([name, owner, text]) => {
    const before = Object.getOwnPropertyDescriptor(owner, name);
    Object.defineProperty(owner, name, { value: false, configurable: true, writable: true });
    try {
      const made = machine({ kernel: counting });
      await expect(made).rejects.toMatchObject({ code: "ERR_THREADS_UNSUPPORTED" });
      await expect(made).rejects.toThrow(text);
    } finally {
      if (before === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, before);
    }
  });

  it("leaves the host its event loop while all harts keep devices and the SBI busy", async () => {
    const kernel = kernelOf(`
      li a0, 1; la a1, other; li a2, 0; ${sbi.hartStart}
      li a0, 2; la a1, other; li a2, 0; ${sbi.hartStart}
    other:
      li t0, 0xc000000
    1: lw t1, 4(t0); sw t1, 4(t0)
      li a7, 0x10; li a6, 3; li a0, 0; ecall
      li a0, 7; li a1, 0; ${sbi.sendIpi}
      j 1b`);
    await using vm = await machine({ kernel });
    const run = vm.run();
    let turns = 0;
    const began = performance.now();
    while (performance.now() - began < 1000) {
      await pause(0);
      turns++;
    }
    expect(turns).toBeGreaterThan(20);
    await vm.stop();
    expect(await run).toEqual({ reason: "stopped" });
    expect(vm.counters()["vm.calls"]).toBeGreaterThan(100);
  });

  it("refuses to be profiled", async () => {
    await using vm = await machine({ kernel: counting });
    expect(() => vm.profile()).toThrow(TypeError);
  });

  it("refuses a clock that threads cannot share", async () => {
    await expect(machine({ kernel: counting, clock: "instructions" })).rejects.toThrow(TypeError);
  });
});

describe("firmware of the guest with harts in threads", () => {
  it("sends software interrupts and sets timers through the CLINT", async () => {
    const firmware = firmwareOf(`
      csrr s0, mhartid
      la t0, trap; csrw mtvec, t0
      li s1, ${COUNTERS}
      li s2, 0x2000000
      li t0, 0x88; csrw mie, t0
      bnez s0, other
      # Hart 1 is interrupted, and so is hart 2, a hundred times each.
      li s3, 100
    1: li t0, 1; sw t0, 4(s2); sw t0, 8(s2)
      addi s3, s3, -1
      li t0, 100; sub t0, t0, s3
    4: lw t1, 4(s1); bne t1, t0, 4b
    5: lw t1, 8(s1); bne t1, t0, 5b
      bnez s3, 1b
      # Its own timer.
      li t0, 0x200bff8; ld t1, 0(t0); li t2, 100000; add t1, t1, t2
      li t0, 0x2004000; sd t1, 0(t0)
    6: wfi
      csrr t0, mip; andi t0, t0, 0x80; beqz t0, 6b
      li t0, 0x100000; li t1, 0x5555; sw t1, 0(t0)
    8: j 8b
    other:
      csrsi mstatus, 8
    7: wfi
      j 7b
      .balign 4
    trap:
      slli t3, s0, 2
      add t4, t3, s2; sw zero, 0(t4)
      add t4, t3, s1; lw t5, 0(t4); addi t5, t5, 1; sw t5, 0(t4)
      mret`);
    await using vm = await machine({ firmware });
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
  });

  it("boots a kernel through OpenSBI", async () => {
    const kernel = kernelOf(`
      mv s0, a0
      xori a0, s0, 1
      lla a1, second
      ${sbi.hartStart}
      lla s1, flag
    1: lw t0, 0(s1)
      beqz t0, 1b
      ${sbi.shutdown}
    second:
      lla t0, flag
      li t1, 1
      sw t1, 0(t0)
    2: wfi
      j 2b
      .balign 4
    flag: .word 0`);
    await using vm = await machine({
      memory: 128 << 20,
      harts: 2,
      firmware: readFileSync("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"),
      kernel,
      devices: { console: uart16550() },
    });
    expect(await vm.run({ signal: signal() })).toEqual({ reason: "power-off", code: 0 });
  });
});
