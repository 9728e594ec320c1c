import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { riscv64 } from "@isomorph/cpu";
import { describe, expect, it } from "vitest";
import { createVm, type VmConfig } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { compile } from "./support/compiled.ts";
import { firmwareOf, KERNEL, kernelOf, rebooting } from "./support/guest.ts";

const machine = (config: Partial<VmConfig>) =>
  createVm({ cpu: riscv64(), memory: 16 << 20, ...config } as VmConfig);

const spin = kernelOf("1: j 1b");
const off = { reason: "power-off", code: 0 };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

describe("images given as functions", () => {
  it.each([
    ["harts that take turns", {}],
    ["threads", { harts: 2, threads: nodeThreads() }],
  ])("are asked for at each power-on, with %s", async (_, config) => {
    let kernels = 0;
    let initrds = 0;
    await using vm = await machine({
      ...config,
      kernel: () => {
        kernels++;
        return rebooting.slice();
      },
      initrd: async () => {
        initrds++;
        return new Uint8Array(5000).fill(initrds);
      },
    });
    expect([kernels, initrds]).toEqual([1, 1]);
    expect(await vm.run({ signal: AbortSignal.timeout(20_000) })).toEqual(off);
    expect([kernels, initrds]).toEqual([3, 3]);
    expect(vm.counters()["vm.resets"]).toBe(2);
    // The machine is off: the next run starts it again.
    expect(await vm.run({ signal: AbortSignal.timeout(50) })).toMatchObject({ reason: "aborted" });
    expect(kernels).toBeGreaterThan(3);
  });

  it("are let go once they are in guest memory", async () => {
    const given: WeakRef<Uint8Array>[] = [];
    const image = (bytes: Uint8Array) => () => {
      const copy = bytes.slice();
      given.push(new WeakRef(copy));
      return copy;
    };
    const firmware = firmwareOf("li t0, 0x80800000; ld t1, 0(t0); addi t1, t1, 1; sd t1, 0(t0); 1: j 1b");
    await using vm = await machine({
      kernel: image(spin),
      initrd: image(new Uint8Array(3000)),
      firmware: image(firmware),
    });
    const letGo = async () => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      collectGarbage();
      return given.every((reference) => reference.deref() === undefined);
    };
    await expect.poll(letGo).toBe(true);
    expect(given).toHaveLength(3);
    expect(await vm.run({ maxInstructions: 1000 })).toEqual({ reason: "instruction-limit" });
    vm.reset();
    // It is not running, so the reset waits for the next run.
    expect(given).toHaveLength(3);
    expect(await vm.run({ maxInstructions: 1000 })).toEqual({ reason: "instruction-limit" });
    expect(vm.memory.data.getUint32(0x800000, true)).toBe(2);
    await expect.poll(letGo).toBe(true);
    expect(given).toHaveLength(6);
  });

  it("that fail at a reset end the run with that error; the next run tries again", async () => {
    const failure = new Error("the file is gone");
    let calls = 0;
    await using vm = await machine({
      kernel: () => {
        if (++calls === 2) throw failure;
        return rebooting;
      },
    });
    await expect(vm.run()).rejects.toBe(failure);
    expect(await vm.run()).toEqual(off);
    await expect(machine({ kernel: () => Promise.reject(failure) })).rejects.toBe(failure);
  });

  it("are checked each time", async () => {
    let kernel = rebooting;
    await using vm = await machine({ kernel: () => kernel });
    kernel = rebooting.subarray(0, 20);
    await expect(vm.run()).rejects.toMatchObject({ code: "ERR_KERNEL_TRUNCATED" });
    const wrong = { kernel: () => "bytes" } as unknown as VmConfig;
    await expect(machine(wrong)).rejects.toThrow(
      new TypeError("the function kernel must give a Uint8Array, got string"),
    );
    await expect(machine({ kernel: "bytes" } as unknown as VmConfig)).rejects.toThrow(
      new TypeError("kernel must be a Uint8Array or a function that gives one, got string"),
    );
  });

  it("that never come are not waited for by stop, close, a signal or a reset", async () => {
    let signals = 0;
    let isStuck = false;
    const kernel = (signal?: AbortSignal): Uint8Array | Promise<Uint8Array> => {
      if (!isStuck) return spin;
      signal?.addEventListener("abort", () => signals++);
      return new Promise(() => {});
    };
    const vm = await machine({ kernel });
    await vm.run({ maxInstructions: 10 });
    isStuck = true;
    vm.reset();
    expect(await vm.run({ signal: AbortSignal.timeout(10) })).toMatchObject({ reason: "aborted" });
    const stopped = vm.run();
    vm.reset();
    await vm.stop();
    expect(await stopped).toEqual({ reason: "stopped" });
    // Nothing of that is left for a run that gets its image.
    isStuck = false;
    expect(await vm.run({ maxInstructions: 10 })).toEqual({ reason: "instruction-limit" });
    expect(vm.harts[0]?.pc).toBe(BigInt(KERNEL + 64));
    isStuck = true;
    vm.reset();
    const closed = vm.run();
    await vm.close();
    expect(await closed).toEqual({ reason: "stopped" });
    expect(signals).toBe(3);
    const building = machine({ kernel, signal: AbortSignal.timeout(10) });
    await expect(building).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("leave profiles the names of those that are given as bytes", async () => {
    const source = 'void _start(void) { for (;;) __asm__ volatile(""); }';
    const { bytes } = compile(source, ["-O1", "-march=rv64gc"], KERNEL);
    for (const kernel of [bytes, () => bytes]) {
      await using vm = await machine({ kernel, initrd: () => new Uint8Array(100) });
      const profiler = vm.profile({ interval: 0.1 });
      await vm.run({ signal: AbortSignal.timeout(100) });
      const names = profiler
        .stop()
        .top(5)
        .map(({ name }) => name);
      expect(names.includes("_start")).toBe(kernel === bytes);
    }
  });
});
