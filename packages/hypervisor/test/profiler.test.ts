/** The profiler on machines: what it says, what it costs the guest, and what it holds on to. */
import { Session } from "node:inspector/promises";
import { riscv64 } from "@isomorph/cpu";
import { describe, expect, test } from "vitest";
import { hostClock, instructionClock, type Timebase } from "../src/clock.ts";
import { Dispatcher, type SliceSampler } from "../src/dispatcher/dispatcher.ts";
import { HartState } from "../src/dispatcher/hart-state.ts";
import { createVm, type Profile, type Vm, type VmConfig } from "../src/index.ts";
import { CallTree } from "../src/profiler/call-tree.ts";
import { Profile as ProfileOfTree } from "../src/profiler/profile.ts";
import { Timeline } from "../src/profiler/timeline.ts";
import { readSymbols } from "../src/symbols.ts";
import { compile } from "./support/compiled.ts";
import { KERNEL, kernelOf, sbi } from "./support/guest.ts";
import { ScriptedHart } from "./support/scripted-hart.ts";
import { VirtualEventLoop } from "./support/virtual-event-loop.ts";

/** Three quarters of its work are in one function, a quarter in another, both called by a third. */
const SPLIT = `
  typedef unsigned long u64;
  volatile u64 sink;
  __attribute__((noinline)) void much(u64 n) { for (u64 i = 0; i < 3 * n; i++) __asm__ volatile(""); sink++; }
  __attribute__((noinline)) void little(u64 n) { for (u64 i = 0; i < n; i++) __asm__ volatile(""); sink++; }
  __attribute__((noinline)) void both(u64 n) { much(n); little(n); sink++; }
  __attribute__((naked, noreturn)) void _start(void) {
    __asm__ volatile("la sp, _start; li t0, 0x100000; add sp, sp, t0; andi sp, sp, -16; li s0, 0; 1: li a0, 1500; jal both; j 1b");
  }`;

const split = compile(SPLIT, ["-O1", "-fno-omit-frame-pointer", "-march=rv64gc"], KERNEL);

async function machine(config: Partial<VmConfig> = {}): Promise<Vm> {
  return createVm({ cpu: riscv64(), memory: 16 << 20, kernel: split.bytes, ...config });
}

async function profileOf(vm: Vm, milliseconds: number): Promise<Profile> {
  const profiler = vm.profile();
  await vm.run({ signal: AbortSignal.timeout(milliseconds) });
  return profiler.stop();
}

describe("what is sampled", () => {
  test("functions have the shares of time that they take, under those that called them", async () => {
    await using vm = await machine();
    await vm.run({ maxInstructions: 50_000_000 });
    const profile = await profileOf(vm, 1500);
    const [first, second, third] = profile.top();
    expect([first?.name, second?.name]).toEqual(["much", "little"]);
    const share = (first?.self ?? 0) / ((first?.self ?? 0) + (second?.self ?? 0));
    expect(share).toBeGreaterThan(0.65);
    expect(share).toBeLessThan(0.85);
    expect(third?.name).toMatch(/both|_start/);
    const both = profile.top().find(({ name }) => name === "both");
    expect((both?.total ?? 0) / profile.milliseconds).toBeGreaterThan(0.95);
    const lines = profile.folded().trimEnd().split("\n");
    expect(lines.find((line) => line.includes("much"))).toMatch(/^kernel;_start;both;much \d+$/);
    // Time that the machine had is time that samples stand for.
    expect(profile.milliseconds).toBeGreaterThan(0.8 * profile.duration);
    expect(profile.milliseconds).toBeLessThanOrEqual(profile.duration);
    expect(profile.samples).toBeGreaterThan(profile.milliseconds / 4);
  });

  test("an interpreted guest and several harts as well", async () => {
    await using vm = await machine({ cpu: riscv64({ translationThreshold: 0 }), harts: 2 });
    const profile = await profileOf(vm, 2000);
    expect(profile.top(1)[0]?.name).toBe("much");
    expect(profile.folded()).toMatch(/^hart_0;kernel;_start;both;much \d+$/m);
  });

  test("user programs apart from the kernel, and from one another", async () => {
    const entry = `
      __attribute__((naked, noreturn)) void _start(void) {
        __asm__ volatile("la sp, _start; li t0, 0x100000; add sp, sp, t0; andi sp, sp, -16; li s0, 0;"
          "la t0, user; csrw sepc, t0; li t0, 0x100; csrc sstatus, t0; sret;"
          ".balign 4; user: 1: li a0, 1500; jal both; j 1b");
      }`;
    const program = SPLIT.slice(0, SPLIT.indexOf("__attribute__((naked")) + entry;
    const { bytes } = compile(program, ["-O1", "-fno-omit-frame-pointer", "-march=rv64gc"], KERNEL);
    await using vm = await machine({ kernel: bytes });
    const profile = await profileOf(vm, 2000);
    expect(profile.folded()).toMatch(/^user_1;user;both;much \d+$/m);
    expect(profile.top(1)[0]).toMatchObject({ name: "much", part: "user" });
  });

  test("names that are given come before the kernel's own; without any there are brackets", async () => {
    await using vm = await machine();
    const names = new Map([...readSymbols(split.bytes)].map(({ name, address }) => [name, address]));
    const text = `${names.get("much")?.toString(16)} T renamed\n${names.get("little")?.toString(16)} T small\n`;
    const profiler = vm.profile({ symbols: [readSymbols(new TextEncoder().encode(text))] });
    await vm.run({ signal: AbortSignal.timeout(2000) });
    expect(profiler.stop().top(1)[0]?.name).toBe("renamed");
    await using other = await machine({ kernel: kernelOf("1: j 1b") });
    expect((await profileOf(other, 200)).folded()).toMatch(/^kernel;\[physical\] \d+\n$/);
  });

  test("a machine that sleeps takes no time", async () => {
    await using vm = await machine({ kernel: kernelOf("1: wfi; j 1b") });
    const profile = await profileOf(vm, 2000);
    expect(profile.milliseconds).toBeLessThan(100);
    const { samples, nodes } = profile.cpuprofile();
    const idle = nodes.find(({ callFrame }) => callFrame.functionName === "(idle)");
    expect(samples).toContain(idle?.id);
  });
});

describe("what it does to the guest", () => {
  test("nothing when time is made of instructions", async () => {
    const source = `
      li s1, 300000
      1: rdtime t0; add s2, s2, t0; addi s1, s1, -1; mul s2, s2, s1; bnez s1, 1b
      2: wfi; j 2b`;
    const run = async (isProfiled: boolean): Promise<unknown[]> => {
      await using vm = await machine({
        kernel: kernelOf(source),
        clock: "instructions",
        rngSeed: new Uint8Array(8),
      });
      const profiler = isProfiled ? vm.profile({ interval: 0.1 }) : undefined;
      await vm.run({ maxInstructions: 1_400_000 });
      const hart = vm.harts[0];
      const counters = vm.counters();
      if (isProfiled) expect(profiler?.stop().samples).toBeGreaterThan(0);
      const state = Array.from({ length: 32 }, (_, index) => hart?.readRegister(index));
      return [hart?.pc, hart?.instructionsRetired, counters["vm.slices"], counters["cpu.tlbWalks"], ...state];
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test("one profiler at a time, with an interval that makes sense", async () => {
    await using vm = await machine();
    for (const interval of [0, 0.05, -1, 1001, Number.NaN]) {
      expect(() => vm.profile({ interval })).toThrow(RangeError);
    }
    const profiler = vm.profile();
    expect(() => vm.profile()).toThrow(expect.objectContaining({ code: "ERR_VM_PROFILING" }));
    expect(profiler.profile().samples).toBe(0);
    profiler.stop();
    const { duration } = profiler.stop();
    expect(profiler.stop().duration).toBe(duration);
    vm.profile().stop();
  });

  test("a guest with wild registers and page tables is profiled like any other", async () => {
    const wild = kernelOf(`
      li s3, 88172645463325252
      la t0, trap; csrw stvec, t0
      round:
        slli t1, s3, 13; xor s3, s3, t1; srli t1, s3, 7; xor s3, s3, t1; slli t1, s3, 17; xor s3, s3, t1
        mv s0, s3; xori sp, s3, 0x7f; mv ra, s3
        andi t2, s3, 7; bnez t2, 2f
        la s0, round; addi sp, s0, -64
      2: li t3, 200
      3: addi t3, t3, -1; bnez t3, 3b
      j round
      .balign 4
      trap: ${sbi.shutdown}`);
    await using vm = await machine({ kernel: wild });
    const profile = await profileOf(vm, 2000);
    expect(profile.samples).toBeGreaterThan(20);
    expect(profile.folded()).toMatch(/^(kernel;(\[\w+\];?)+ \d+\n)+$/);
  });
});

describe("slices", () => {
  /** A hart of 100 instructions per microsecond under a dispatcher with a sampler. */
  function rig(
    script: (slice: number, budget: number) => { exit: "budget" | "wait"; retires?: number },
    isInstructionClock = false,
  ): {
    run: () => Promise<void>;
    hart: ScriptedHart;
    samples: { time: number; elapsed: number; exit: string }[];
    dispatcher: Dispatcher;
  } {
    const loop = new VirtualEventLoop();
    const samples: { time: number; elapsed: number; exit: string }[] = [];
    let last = "";
    const hart: ScriptedHart = new ScriptedHart((slice, budget) => {
      const step = script(slice, budget);
      last = step.exit;
      return {
        ...step,
        during: () => {
          loop.time += (step.retires ?? budget) / 100_000;
          if (slice === 3000) dispatcher.end({ reason: "stopped" });
          if (step.exit === "wait") hart.interruptPending = true;
        },
      };
    });
    const clock: Timebase = isInstructionClock
      ? instructionClock(() => dispatcher.instructions)
      : hostClock(() => loop.now());
    const dispatcher: Dispatcher = new Dispatcher({
      harts: [hart],
      clock,
      eventLoop: loop,
      routines: { firmwareCall: () => {}, trapLoop: () => {} },
    });
    dispatcher.setState(0, HartState.RUNNABLE);
    const sampler: SliceSampler = {
      interval: 1,
      sample: (_, elapsed) => samples.push({ time: loop.time, elapsed, exit: last }),
    };
    dispatcher.sampler = sampler;
    return { run: async () => void (await dispatcher.run()), hart, samples, dispatcher };
  }

  test("end about once a millisecond, with all running time on the samples", async () => {
    const { run, samples } = rig(() => ({ exit: "budget" }));
    await run();
    const settled = samples.slice(50);
    const mean = settled.reduce((sum, { elapsed }) => sum + elapsed, 0) / settled.length;
    expect(mean).toBeGreaterThan(0.7);
    expect(mean).toBeLessThan(1.4);
    const times = settled.map(({ elapsed }) => elapsed);
    // Not in step with anything.
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(0.2);
  });

  test("of a hart that often waits are not sampled where it waits, and it is sampled no less", async () => {
    // Bursts of 0.1 ms between waits.
    let left = 10_000;
    const { run, samples, dispatcher } = rig((_, budget) => {
      if (budget >= left) {
        const retires = left;
        left = 10_000;
        return { exit: "wait", retires };
      }
      left -= budget;
      return { exit: "budget" };
    });
    await run();
    expect(samples.every(({ exit }) => exit === "budget")).toBe(true);
    const elapsed = samples.reduce((sum, sample) => sum + sample.elapsed, 0);
    expect(elapsed * 100_000).toBeGreaterThan(dispatcher.instructions * 0.95);
    expect(samples.length).toBeGreaterThan((dispatcher.instructions / 100_000) * 0.6);
  });

  test("made of instructions keep their length", async () => {
    const { run, hart, samples } = rig(() => ({ exit: "budget" }), true);
    await run();
    expect(new Set(hart.budgets)).toEqual(new Set([100_000]));
    expect(samples.length).toBeGreaterThan(1000);
  });
});

describe("formats", () => {
  test("a .cpuprofile has what the engine's own profiler writes", async () => {
    await using vm = await machine();
    const profile = (await profileOf(vm, 2000)).cpuprofile();
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    for (let i = 0; i < 1e6; i++) Math.sqrt(i);
    const { profile: judge } = await session.post("Profiler.stop");
    session.disconnect();
    const shape = (value: object): [string, string][] =>
      Object.entries(value).map(([key, one]) => [key, Array.isArray(one) ? "array" : typeof one]);
    expect(new Map(shape(profile))).toEqual(new Map(shape(judge)));
    const theirs = new Map(judge.nodes.flatMap((node) => shape(node)));
    const frames = new Map(judge.nodes.flatMap(({ callFrame }) => shape(callFrame)));
    for (const node of profile.nodes) {
      for (const [key, type] of shape(node)) expect([key, theirs.get(key)]).toEqual([key, type]);
      expect(new Map(shape(node.callFrame))).toEqual(frames);
    }
    check(profile);
    expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
  });

  /** What a reader of the format relies on. */
  function check(profile: ReturnType<Profile["cpuprofile"]>): void {
    const ids = new Set(profile.nodes.map(({ id }) => id));
    expect(ids.size).toBe(profile.nodes.length);
    const children = profile.nodes.flatMap((node) => node.children);
    expect(new Set(children).size).toBe(children.length);
    // All but the root are someone's child.
    expect([...ids].filter((id) => !children.includes(id))).toEqual([1]);
    expect(profile.samples.every((id) => ids.has(id))).toBe(true);
    expect(profile.timeDeltas.length).toBe(profile.samples.length);
    expect(profile.timeDeltas.every((delta) => Number.isInteger(delta) && delta >= 0)).toBe(true);
    const sum = profile.timeDeltas.reduce((a, b) => a + b, 0);
    expect(profile.startTime + sum).toBeLessThanOrEqual(profile.endTime);
  }

  test("names that would break a line do not", () => {
    const tree = new CallTree();
    const frames = ["a;b", "c d", "e\nf", "g\u0000h"].map((name) => tree.frame(name, "user"));
    tree.add(frames, 2);
    expect(new ProfileOfTree(tree, new Timeline(), 2).folded()).toBe("a_b;c_d;e_f;g_h 2000\n");
  });

  test("recursion counts once in a total", () => {
    const tree = new CallTree();
    const [f, g] = [tree.frame("f", "user"), tree.frame("g", "user")];
    tree.add([f, g, f], 5);
    tree.add([f], 1);
    expect(new ProfileOfTree(tree, new Timeline(), 6).top()).toEqual([
      { name: "f", part: "user", self: 6, total: 6 },
      { name: "g", part: "user", self: 0, total: 5 },
    ]);
  });

  test("stay bounded, and time is not lost, whatever is sampled", () => {
    const tree = new CallTree();
    const timeline = new Timeline();
    const rounds = 300_000;
    for (let round = 0; round < rounds; round++) {
      const stack = [round % 7, round % 1000, round].map((n) => tree.frame(`f${n}`, "user"));
      timeline.add(round + 1, 1, tree.add(stack, 1).id);
    }
    expect(tree.nodes.length).toBeLessThanOrEqual(1 << 17);
    const profile = new ProfileOfTree(tree, timeline, rounds);
    expect([profile.samples, profile.milliseconds]).toEqual([rounds, rounds]);
    const entries = [...timeline];
    expect(entries.length).toBeLessThanOrEqual(1 << 18);
    expect(entries.length).toBeGreaterThan(1 << 16);
    const covered = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    expect(covered).toBeGreaterThan(rounds - 100);
    check(profile.cpuprofile());
  });
});
