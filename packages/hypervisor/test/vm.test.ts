import { riscv64 } from "@isomorph/cpu";
import type { DeviceSlot } from "@isomorph/interface";
import { type Uart16550, uart16550, virtioRng } from "@isomorph/io";
import { describe, expect, expectTypeOf, it } from "vitest";
import { createVm, type VmConfig } from "../src/index.ts";
import { firmwareOf, KERNEL, kernelOf, rebooting, sbi } from "./support/guest.ts";
import { elf } from "./support/images.ts";

const small = { cpu: riscv64(), memory: 16 << 20 } as const;
const decoder = new TextDecoder();
const spin = kernelOf("1: j 1b");

/** Runs a guest to its end and returns the outcome and what it printed. */
async function run(config: Partial<VmConfig>): Promise<{ outcome: unknown; text: string }> {
  let text = "";
  const write = (bytes: Uint8Array) => {
    text += decoder.decode(bytes);
  };
  await using vm = await createVm({ ...small, debugConsole: { write }, ...config });
  return { outcome: await vm.run({ signal: AbortSignal.timeout(10_000) }), text };
}

describe("a kernel under the VMM's own SBI", () => {
  it("prints and powers off", async () => {
    const kernel = kernelOf(`${sbi.putchar("o")}; ${sbi.putchar("k")}; ${sbi.shutdown}`);
    expect(await run({ kernel })).toEqual({ outcome: { reason: "power-off", code: 0 }, text: "ok" });
  });

  it("tells of a failure by its code", async () => {
    expect((await run({ kernel: kernelOf(sbi.fail) })).outcome).toEqual({ reason: "power-off", code: 1 });
  });

  it("prints through the UART, and the debug console goes there too", async () => {
    const kernel = kernelOf(`
      li t0, 0x10000000
      li t1, 'A'
      sb t1, 0(t0)
      ${sbi.putchar("B")}
      ${sbi.shutdown}`);
    await using vm = await createVm({ ...small, kernel, devices: { console: uart16550() } });
    let text = "";
    vm.devices.console.ontransmit = (bytes) => {
      text += decoder.decode(bytes);
    };
    await vm.run();
    vm.devices.console.flush();
    expect(text).toBe("AB");
  });

  it("echoes what is typed while it sleeps for it", async () => {
    const kernel = kernelOf(`
      li s0, 0x10000000
      li s1, 0xc000000
      li t0, 1
      sw t0, 40(s1)            # priority of source 10
      li t0, 1 << 10
      li t1, 0xc002000
      sw t0, 0(t1)             # enabled for the first context
      li t0, 1
      sb t0, 1(s0)             # IER: received data
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
    await using vm = await createVm({ ...small, kernel, devices: { console: uart16550() } });
    const done = vm.run({ signal: AbortSignal.timeout(10_000) });
    let text = "";
    vm.devices.console.ontransmit = (bytes) => {
      text += decoder.decode(bytes);
    };
    for (const character of "hello, q") {
      await new Promise((resolve) => setTimeout(resolve, 5));
      vm.devices.console.write(new TextEncoder().encode(character));
    }
    expect(await done).toEqual({ reason: "power-off", code: 0 });
    vm.devices.console.flush();
    expect(text).toBe("hello, q");
    expect(vm.counters()["vm.sleeps"]).toBeGreaterThan(4);
  });

  it("sleeps until its timer without using the host's CPU", async () => {
    const kernel = kernelOf(`
      li t0, 0x20
      csrw sie, t0
      rdtime t0
      li t1, 2000000           # 200 ms
      add t0, t0, t1
      csrw stimecmp, t0
      wfi
      rdtime t1
      sltu s0, t1, t0
      bnez s0, early
      ${sbi.shutdown}
    early:
      ${sbi.fail}`);
    await using vm = await createVm({ ...small, kernel });
    const begin = performance.now();
    const before = process.cpuUsage();
    expect(await vm.run()).toEqual({ reason: "power-off", code: 0 });
    const { user, system } = process.cpuUsage(before);
    expect(performance.now() - begin).toBeGreaterThan(150);
    expect((user + system) / 1000).toBeLessThan(100);
    expect(vm.counters()["vm.slices"]).toBeLessThan(20);
  });

  it("starts other harts and is interrupted by them", async () => {
    const kernel = kernelOf(`
      la a1, second
      li a0, 1
      li a2, 0
      ${sbi.hartStart}
      bnez a0, bad
      li t0, 2
      csrw sie, t0
    1: wfi
      csrr t0, sip
      andi t0, t0, 2
      beqz t0, 1b
      ${sbi.shutdown}
    bad:
      ${sbi.fail}
    second:
      li t0, 1
      bne a0, t0, bad
      li a0, 1
      li a1, 0
      ${sbi.sendIpi}
    2: wfi
      j 2b`);
    expect((await run({ kernel, harts: 2 })).outcome).toEqual({ reason: "power-off", code: 0 });
  });

  it.each([
    ["traps in its trap handler", "lla t0, 1f; csrw stvec, t0; .balign 4; 1: nop; unimp"],
    ["calls the firmware without end", "1: li a7, 99; ecall; j 1b"],
    ["waits with an interrupt pending", "li t0, 2; csrw sie, t0; csrw sip, t0; 1: wfi; j 1b"],
    ["prints without end", `1: ${sbi.putchar("x")}; j 1b`],
  ])("that %s can still be stopped", async (_, source) => {
    await using vm = await createVm({
      ...small,
      kernel: kernelOf(source),
      devices: { console: uart16550() },
    });
    const begin = performance.now();
    expect((await vm.run({ signal: AbortSignal.timeout(50) })).reason).toBe("aborted");
    expect(performance.now() - begin).toBeLessThan(20_000);
  });

  it("that cannot even trap has crashed, and the next run starts it afresh", async () => {
    await using vm = await createVm({ ...small, kernel: kernelOf("csrw stvec, zero; unimp") });
    for (let i = 0; i < 2; i++) {
      const outcome = await vm.run({ signal: AbortSignal.timeout(10_000) });
      expect(outcome).toMatchObject({
        reason: "crashed",
        detail: expect.stringMatching(/^hart 0 traps without end/),
      });
    }
  });
});

describe("reset", () => {
  it("starts the machine again with its images", async () => {
    await using vm = await createVm({ ...small, kernel: rebooting });
    expect(await vm.run()).toEqual({ reason: "power-off", code: 0 });
    expect(vm.counters()["vm.resets"]).toBe(2);
    expect(vm.memory.data.getUint32(0x800000, true)).toBe(3);
  });

  it("ends the run where the embedder wants that; the next run starts the machine again", async () => {
    await using vm = await createVm({ ...small, kernel: rebooting, onReset: "return" });
    expect(await vm.run()).toEqual({ reason: "reset" });
    expect(await vm.run()).toEqual({ reason: "reset" });
    expect(await vm.run()).toEqual({ reason: "power-off", code: 0 });
  });

  it("over and over does not keep the event loop from its turn", async () => {
    await using vm = await createVm({ ...small, kernel: kernelOf(sbi.reboot) });
    const outcome = await vm.run({ signal: AbortSignal.timeout(50) });
    expect(outcome.reason).toBe("aborted");
    expect(vm.counters()["vm.resets"]).toBeGreaterThan(1);
  });

  it("comes by the embedder as well, while running and while not", async () => {
    await using vm = await createVm({ ...small, kernel: spin, onReset: "return" });
    await vm.run({ maxInstructions: 100 });
    vm.reset();
    expect(vm.harts[0]?.pc).toBe(BigInt(KERNEL));
    const done = vm.run();
    setTimeout(() => vm.reset(), 10);
    setTimeout(() => vm.stop(), 30);
    expect(await done).toEqual({ reason: "stopped" });
    expect(vm.counters()["vm.resets"]).toBe(2);
  });
});

describe("ends of a run", () => {
  it("come by signal, and the next run goes on", async () => {
    await using vm = await createVm({ ...small, kernel: spin });
    expect(await vm.run({ signal: AbortSignal.abort("no") })).toEqual({ reason: "aborted", cause: "no" });
    expect(await vm.run({ signal: AbortSignal.timeout(20) })).toMatchObject({ reason: "aborted" });
    expect(vm.harts[0]?.pc).toBe(BigInt(KERNEL + 64));
    expect(vm.counters()["vm.instructions"]).toBeGreaterThan(1000);
  });

  it("come by stop, which waits for it", async () => {
    await using vm = await createVm({ ...small, kernel: spin });
    let ended = false;
    const done = vm.run().then((outcome) => {
      ended = true;
      return outcome;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    await vm.stop();
    expect(ended).toBe(true);
    expect(await done).toEqual({ reason: "stopped" });
    await vm.stop();
  });

  it("come after exactly maxInstructions", async () => {
    await using vm = await createVm({ ...small, kernel: spin });
    for (const count of [1, 999, 123_456]) {
      const before = vm.harts[0]?.instructionsRetired ?? 0;
      expect(await vm.run({ maxInstructions: count })).toEqual({ reason: "instruction-limit" });
      expect((vm.harts[0]?.instructionsRetired ?? 0) - before).toBe(count);
    }
  });

  it("come one at a time, and not after close", async () => {
    const vm = await createVm({ ...small, kernel: spin });
    const done = vm.run();
    await expect(vm.run()).rejects.toMatchObject({ code: "ERR_VM_RUNNING" });
    await vm.close();
    expect(await done).toEqual({ reason: "stopped" });
    await vm.close();
    await expect(vm.run()).rejects.toMatchObject({ code: "ERR_VM_CLOSED" });
    expect(() => vm.reset()).toThrow(expect.objectContaining({ code: "ERR_VM_CLOSED" }));
  });

  it("let the machine be paused meanwhile", async () => {
    await using vm = await createVm({ ...small, kernel: spin });
    const done = vm.run();
    await new Promise((resolve) => setTimeout(resolve, 10));
    vm.pause();
    await new Promise((resolve) => setTimeout(resolve, 10));
    const before = vm.counters()["vm.instructions"];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(vm.counters()["vm.instructions"]).toBe(before);
    vm.resume();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(vm.counters()["vm.instructions"]).toBeGreaterThan(before ?? 0);
    await vm.stop();
    await done;
  });
});

describe("M-mode firmware", () => {
  it("starts on every hart with a0, a1 and a2, and ends the machine by the test finisher", async () => {
    const firmware = firmwareOf(`
      bnez a0, park
      lw t0, 0(a1)             # device tree magic, big-endian
      li t1, 0xedfe0dd0
      slli t1, t1, 32
      srai t1, t1, 32
      bne t0, t1, bad
      ld t0, 0(a2)             # "OSBI"
      li t1, 0x4942534f
      bne t0, t1, bad
      ld t0, 16(a2)            # where the kernel is
      li t1, 0x80200000
      bne t0, t1, bad
      li t0, 0x100000
      li t1, (42 << 16) + 0x3333
      sw t1, 0(t0)
    bad:
      li t0, 0x100000
      li t1, 0x5555
      sw t1, 0(t0)
    park: j park`);
    expect((await run({ firmware, kernel: spin, harts: 2 })).outcome).toEqual({
      reason: "power-off",
      code: 42,
    });
  });

  it("is woken by mtimer and by the software interrupt of another hart", async () => {
    const firmware = firmwareOf(`
      li s0, 0x2000000
      li t0, 0x88              # MTIE, MSIE
      csrw mie, t0
      bnez a0, second
      li s1, 0x200bff8         # mtime
      ld t0, 0(s1)
      li t1, 300000            # 30 ms
      add t0, t0, t1
      li s2, 0x2004000
      sd t0, 0(s2)
    1: wfi
      csrr t1, mip
      andi t1, t1, 0x80
      beqz t1, 1b
      li t1, -1
      sd t1, 0(s2)
      li t1, 1
      sw t1, 4(s0)             # msip of hart 1
    2: wfi
      j 2b
    second:
    3: wfi
      csrr t1, mip
      andi t1, t1, 8
      beqz t1, 3b
      li t0, 0x100000
      li t1, 0x5555
      sw t1, 0(t0)
      j second`);
    await using vm = await createVm({ ...small, firmware, harts: 2 });
    const begin = performance.now();
    expect(await vm.run({ signal: AbortSignal.timeout(10_000) })).toEqual({ reason: "power-off", code: 0 });
    expect(performance.now() - begin).toBeGreaterThan(25);
    expect(vm.counters()["vm.slices"]).toBeLessThan(20);
  });
});

describe("test programs with the host-target interface", () => {
  it("end with their code, print, and leave a signature", async () => {
    const payload = firmwareOf(`
      la t0, tohost
      li t1, (1 << 56) + (1 << 48) + 'x'
      sd t1, 0(t0)
    1: ld t1, 0(t0)
      bnez t1, 1b
      la t2, signature
      li t1, 0xcafe
      sw t1, 4(t2)
      li t1, (5 << 1) + 1
      sd t1, 0(t0)
    2: j 2b
      .balign 64
    tohost: .dword 0
    fromhost: .dword 0
    signature: .dword 0x1234567887654321`);
    let text = "";
    const onconsole = (bytes: Uint8Array) => {
      text += decoder.decode(bytes);
    };
    const tohost = 0x80000000 + payload.length - 24;
    const firmware = elf({ payload });
    await using vm = await createVm({
      ...small,
      firmware,
      htif: { tohost, fromhost: tohost + 8, onconsole },
    });
    expect(await vm.run()).toEqual({ reason: "power-off", code: 5 });
    expect(text).toBe("x");
    expect(vm.memory.data.getUint32(tohost + 20 - vm.memory.base, true)).toBe(0xcafe);
  });
});

describe("time made of instructions", () => {
  const kernel = kernelOf(`
      li t0, 0x20
      csrw sie, t0
      li s0, 100
      li s1, 0
    1: rdtime t0
      add s1, s1, t0
      addi t0, t0, 777
      csrw stimecmp, t0
      wfi
      slli t1, s1, 3
      xor s1, s1, t1
      addi s0, s0, -1
      bnez s0, 1b
      ${sbi.shutdown}`);

  it("makes two runs the same to the last instruction", async () => {
    const results: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      await using vm = await createVm({ ...small, kernel, clock: "instructions", rngSeed: Uint8Array.of(7) });
      expect(await vm.run()).toEqual({ reason: "power-off", code: 0 });
      results.push([vm.harts[0]?.readRegister(9), vm.harts[0]?.instructionsRetired]);
    }
    expect(results[0]).toEqual(results[1]);
  });
});

describe("composition", () => {
  it("gives devices their types and names", async () => {
    const devices = { console: uart16550(), rng: virtioRng() };
    await using vm = await createVm({ ...small, kernel: spin, devices });
    expectTypeOf(vm.devices.console).toEqualTypeOf<Uart16550>();
    expect(vm.devices.rng.id).toBe(4);
    expect(Object.keys(vm.devices)).toEqual(["console", "rng"]);
    expect(vm.counters()).toMatchObject({ "devices.rng.requests": 0, "vm.instructions": 0 });
  });

  it("cleans up in reverse order, once, on close and when a device cannot be made", async () => {
    const order: string[] = [];
    const noting = (name: string) => (slot: DeviceSlot) => {
      slot.defer(async () => void order.push(name));
      return uart16550()(slot);
    };
    const vm = await createVm({ ...small, kernel: spin, devices: { a: noting("a"), b: noting("b") } });
    await Promise.all([vm.close(), vm.close()]);
    expect(order).toEqual(["b", "a"]);
    const broken = () => {
      throw new Error("no such disk");
    };
    order.length = 0;
    const failing = createVm({ ...small, kernel: spin, devices: { a: noting("a"), broken } });
    await expect(failing).rejects.toThrow("no such disk");
    expect(order).toEqual(["a"]);
  });

  it("runs every cleanup although one fails, and says so", async () => {
    const order: string[] = [];
    const device = (name: string, fails: boolean) => (slot: DeviceSlot) => {
      slot.defer(() => {
        order.push(name);
        if (fails) throw new Error("disk full");
      });
      return uart16550()(slot);
    };
    const vm = await createVm({
      ...small,
      kernel: spin,
      devices: { a: device("a", false), b: device("b", true) },
    });
    await expect(vm.close()).rejects.toMatchObject({ code: "ERR_VM_CLEANUP", cause: new Error("disk full") });
    expect(order).toEqual(["b", "a"]);
  });

  it.each([
    ["no image", { kernel: undefined }, TypeError, "kernel"],
    ["nine harts", { harts: 9 }, RangeError, "9"],
    ["half a hart", { harts: 0.5 }, RangeError, "0.5"],
    ["odd memory", { memory: 100_000 }, RangeError, "100000"],
    ["negative memory", { memory: -4096 }, RangeError, "-4096"],
    ["memory that is no number", { memory: Number.NaN }, RangeError, "NaN"],
    ["a kernel that is no array", { kernel: "vmlinux" as unknown as Uint8Array }, TypeError, "string"],
    [
      "an initrd alone",
      { kernel: undefined, firmware: new Uint8Array(4), initrd: new Uint8Array(4) },
      TypeError,
      "kernel",
    ],
    ["a NUL in the command line", { cmdline: "a\0b" }, RangeError, "NUL"],
    ["an unknown transport", { transport: "isa" as "pci" }, TypeError, "isa"],
    ["an unknown clock", { clock: "sundial" as "host" }, TypeError, "sundial"],
    ["a seed of no bytes", { rngSeed: new Uint8Array(0) }, RangeError, "0"],
    ["htif outside RAM", { htif: { tohost: 16 } }, RangeError, "0x10"],
  ] satisfies [string, Partial<VmConfig>, ErrorConstructor, string][])(
    "refuses %s",
    async (_, config, type, text) => {
      const failure = createVm({ ...small, kernel: spin, ...config });
      await expect(failure).rejects.toBeInstanceOf(type);
      await expect(failure).rejects.toThrow(text);
    },
  );

  it("refuses more devices than there is room for", async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`d${i}`, virtioRng()]));
    await expect(createVm({ ...small, kernel: spin, devices: many(33) })).rejects.toBeInstanceOf(RangeError);
    const mmio = createVm({ ...small, kernel: spin, transport: "mmio", devices: many(16) });
    await expect(mmio).rejects.toBeInstanceOf(RangeError);
    await using vm = await createVm({ ...small, kernel: spin, transport: "mmio", devices: many(15) });
    expect(Object.keys(vm.devices).length).toBe(15);
  });

  it("rejects with the signal's reason", async () => {
    await expect(createVm({ ...small, kernel: spin, signal: AbortSignal.abort("late") })).rejects.toBe(
      "late",
    );
  });
});

describe("a guest made of noise", () => {
  it("never brings the machine down", async () => {
    let state = 12345;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 8;
    };
    for (let round = 0; round < 60; round++) {
      const noise = Uint8Array.from({ length: 4096 }, random);
      const asFirmware = round % 2 === 0;
      const images = asFirmware
        ? { firmware: firmwareOf(".zero 4").fill(0x13) }
        : { kernel: kernelOf(".zero 4096") };
      await using vm = await createVm({
        ...small,
        ...images,
        memory: 4 << 20,
        harts: 1 + (round % 3),
        devices: { console: uart16550(), rng: virtioRng() },
      });
      vm.memory.bytes.set(noise, asFirmware ? 4 : 0x200040);
      vm.memory.markDirty(vm.memory.base, vm.memory.size);
      for (const hart of vm.harts) {
        for (let i = 1; i < 32; i++)
          hart.writeRegister(i, BigInt([0x10000000, 0xc000000, 0x80001000, 0x30000000][i % 4] ?? 0));
      }
      const outcome = await vm.run({ maxInstructions: 200_000, signal: AbortSignal.timeout(2_000) });
      expect(["instruction-limit", "crashed", "power-off", "aborted"]).toContain(outcome.reason);
    }
  });
});
