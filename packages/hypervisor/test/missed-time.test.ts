import { riscv64 } from "@isomorph/cpu";
import { afterEach, describe, expect, it, vi } from "vitest";
import { hostClock } from "../src/clock.ts";
import { Dispatcher } from "../src/dispatcher/dispatcher.ts";
import { HartState } from "../src/dispatcher/hart-state.ts";
import { createVm } from "../src/index.ts";
import { nodeThreads } from "../src/node/index.ts";
import { kernelOf, sbi } from "./support/guest.ts";
import { ScriptedHart } from "./support/scripted-hart.ts";
import { VirtualEventLoop } from "./support/virtual-event-loop.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const TICKS_PER_MS = 10_000;
const TICKS_PER_SECOND = 10_000_000;

/** A host whose clocks the test moves. */
function host() {
  const times = { monotonic: 5 * SECOND, wall: 1_800_000_000_000 };
  return {
    pass(milliseconds: number) {
      times.monotonic += milliseconds;
      times.wall += milliseconds;
    },
    /** Suspended: or somebody sets its clock. */
    setForwards(milliseconds: number) {
      times.wall += milliseconds;
    },
    clock: hostClock(
      () => times.monotonic,
      () => times.wall,
    ),
  };
}

/** Milliseconds of the guest after all that was missed has been made up for, and the steps taken. */
function settle({ clock }: ReturnType<typeof host>): { time: number; steps: number } {
  let steps = 0;
  while (clock.catchUp?.() === true) steps++;
  return { time: clock.now() / TICKS_PER_MS, steps };
}

describe("time of a guest whose host was suspended", () => {
  it("catches up with the wall clock in steps that kernels bear, and goes on from there", () => {
    const h = host();
    h.pass(10 * SECOND);
    expect(settle(h)).toEqual({ time: 10 * SECOND, steps: 0 });
    h.setForwards(HOUR);
    let before = h.clock.now();
    while (h.clock.catchUp?.() === true) {
      const step = (h.clock.now() - before) / TICKS_PER_SECOND;
      expect(step).toBeGreaterThan(0);
      expect(step).toBeLessThanOrEqual(4);
      before = h.clock.now();
    }
    expect(h.clock.now() / TICKS_PER_MS).toBe(HOUR + 10 * SECOND);
    h.pass(SECOND);
    expect(settle(h)).toEqual({ time: HOUR + 11 * SECOND, steps: 0 });
  });

  it("catches up after weeks too, in a bounded number of steps, and with a second absence meanwhile", () => {
    const h = host();
    h.setForwards(21 * 24 * HOUR);
    expect(h.clock.catchUp?.()).toBe(true);
    h.setForwards(HOUR);
    const { time, steps } = settle(h);
    expect(time).toBeCloseTo(21 * 24 * HOUR + HOUR, 0);
    expect(steps).toBeLessThanOrEqual(5001);
  });

  it("does not stutter while the host's clock is trimmed, and follows when that adds up to a second", () => {
    const h = host();
    for (let i = 0; i < 99; i++) {
      h.pass(SECOND);
      h.setForwards(10);
      expect(h.clock.catchUp?.()).toBe(false);
    }
    h.setForwards(20);
    expect(settle(h).time).toBe(99 * SECOND + 99 * 10 + 20);
  });

  it("never goes back, and does not run ahead of a wall clock that is set back and forth", () => {
    const h = host();
    h.setForwards(-HOUR);
    h.pass(SECOND);
    expect(settle(h).time).toBe(SECOND);
    h.setForwards(HOUR);
    expect(settle(h).time).toBe(SECOND);
    h.setForwards(2 * SECOND);
    expect(settle(h).time).toBe(3 * SECOND);
  });

  it("stands still while paused, whatever the host does meanwhile, and starts afresh with the machine", () => {
    const h = host();
    h.pass(SECOND);
    h.clock.pause();
    h.setForwards(HOUR);
    h.pass(SECOND);
    expect(settle(h).time).toBe(SECOND);
    h.clock.resume();
    expect(settle(h).time).toBe(SECOND);
    h.setForwards(HOUR);
    h.clock.catchUp?.();
    h.clock.reset();
    expect(settle(h)).toEqual({ time: 0, steps: 0 });
  });
});

describe("a sleeping machine", () => {
  it("notices that its host was suspended, and serves the timers that are due", async () => {
    const loop = new VirtualEventLoop();
    let suspended = 0;
    const clock = hostClock(
      () => loop.time,
      () => loop.time + suspended,
    );
    const due = 600 * TICKS_PER_SECOND;
    const hart: ScriptedHart = new ScriptedHart((slice) => {
      if (slice === 0) hart.timerDeadline = due;
      else dispatcher.end({ reason: "stopped" });
      return { exit: "wait" };
    });
    const routines = { firmwareCall: () => {}, trapLoop: () => {} };
    const dispatcher = new Dispatcher({ harts: [hart], clock, eventLoop: loop, routines });
    dispatcher.setState(0, HartState.RUNNABLE);
    loop.onturn = () => {
      if (loop.sleeps.length === 3) suspended = HOUR;
    };
    await dispatcher.run();
    // Four sleeps of a second instead of ten minutes; then step after step, without one.
    expect(loop.time).toBeLessThanOrEqual(4 * SECOND);
    expect(clock.now()).toBeGreaterThanOrEqual(due);
    expect(clock.now()).toBeLessThan(due + 5 * TICKS_PER_SECOND);
  });
});

describe("a machine", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Sleeps until ten minutes have passed by its own clock. */
  const sleeper = kernelOf(`
    rdtime s0
    li s1, ${600 * TICKS_PER_SECOND}
    add a0, s0, s1
    mv s1, a0
    li a7, 0x54494d45; li a6, 0; ecall
    li t0, 0x20; csrs sie, t0
  1: wfi
    rdtime t0
    blt t0, s1, 1b
    ${sbi.shutdown}`);

  it.each([
    ["on one thread", undefined],
    ["with harts in threads", nodeThreads()],
  ])("%s wakes a guest that slept through the host's suspension", async (_, threads) => {
    let suspended = 0;
    const real = Date.now.bind(Date);
    vi.spyOn(Date, "now").mockImplementation(() => real() + suspended);
    await using vm = await createVm({ cpu: riscv64(), memory: 16 << 20, kernel: sleeper, threads });
    const run = vm.run({ signal: AbortSignal.timeout(20_000) });
    await new Promise((resolve) => setTimeout(resolve, 100));
    suspended = HOUR;
    expect(await run).toEqual({ reason: "power-off", code: 0 });
  });
});
