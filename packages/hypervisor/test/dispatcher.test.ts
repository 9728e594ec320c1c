import { describe, expect, it, vi } from "vitest";
import { hostClock, instructionClock, type Timebase } from "../src/clock.ts";
import type { InterpreterRoutines, PlatformTimer } from "../src/dispatcher/contract.ts";
import { Dispatcher } from "../src/dispatcher/dispatcher.ts";
import { hostEventLoop } from "../src/dispatcher/event-loop.ts";
import { HartState } from "../src/dispatcher/hart-state.ts";
import { ScriptedHart, type Step } from "./support/scripted-hart.ts";
import { VirtualEventLoop } from "./support/virtual-event-loop.ts";

const TICKS_PER_MS = 10_000;
const busy = (): Step => ({ exit: "budget" });

interface Rig {
  readonly loop: VirtualEventLoop;
  readonly clock: Timebase;
  readonly dispatcher: Dispatcher;
}

/** A dispatcher whose harts live in virtual time. */
function rig(
  harts: readonly ScriptedHart[],
  parts: {
    routines?: Partial<InterpreterRoutines>;
    timers?: readonly PlatformTimer[];
    clock?: Timebase;
  } = {},
): Rig {
  const loop = new VirtualEventLoop();
  const clock = parts.clock ?? hostClock(() => loop.now());
  const routines = { firmwareCall: () => {}, trapLoop: () => {}, ...parts.routines };
  const dispatcher = new Dispatcher({ harts, clock, eventLoop: loop, routines, timers: parts.timers ?? [] });
  for (let i = 0; i < harts.length; i++) dispatcher.setState(i, HartState.RUNNABLE);
  return { loop, clock, dispatcher };
}

describe("slices", () => {
  it("come to take about 1.5 ms, whatever the speed of the hart", async () => {
    for (const mips of [5, 100, 1000]) {
      const durations: number[] = [];
      const hart: ScriptedHart = new ScriptedHart((slice, budget) => ({
        exit: "budget",
        during() {
          durations.push(budget / mips / 1000);
          r.loop.time += budget / mips / 1000;
          if (slice === 60) r.dispatcher.end({ reason: "stopped" });
        },
      }));
      const r = rig([hart]);
      await r.dispatcher.run();
      expect(durations.at(-1)).toBeGreaterThan(1.2);
      expect(durations.at(-1)).toBeLessThan(1.8);
    }
  });

  it("give every hart the same share, and none can keep the others out", async () => {
    const harts = [0, 1, 2].map(
      (id): ScriptedHart =>
        new ScriptedHart((slice) => ({
          exit: "budget",
          during() {
            r.loop.time += id === 1 ? 20 : 1; // one hart overruns each of its turns
            if (slice === 50) r.dispatcher.end({ reason: "stopped" });
          },
        })),
    );
    const r = rig(harts);
    await r.dispatcher.run();
    const counts = harts.map((hart) => hart.budgets.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it("let the event loop have its turn every few milliseconds", async () => {
    const hart: ScriptedHart = new ScriptedHart(() => ({
      exit: "budget",
      during: () => {
        r.loop.time += 1.5;
      },
    }));
    const r = rig([hart]);
    const done = r.dispatcher.run();
    r.loop.onturn = () => {
      if (r.loop.yields === 100) r.dispatcher.end({ reason: "stopped" });
    };
    await done;
    expect(r.loop.time / r.loop.yields).toBeLessThan(8);
  });

  it("end at the hart's next timer", async () => {
    const hart: ScriptedHart = new ScriptedHart((slice, budget) => ({
      exit: "budget",
      during() {
        r.loop.time += budget / 100_000; // 100 MIPS
        hart.timerDeadline = slice < 30 ? Number.POSITIVE_INFINITY : r.clock.now() + 0.2 * TICKS_PER_MS;
        if (slice === 31) r.dispatcher.end({ reason: "stopped" });
      },
    }));
    const r = rig([hart]);
    await r.dispatcher.run();
    expect(hart.budgets[30]).toBeGreaterThan(100_000);
    expect(hart.budgets[31]).toBeLessThan(30_000);
    expect(hart.budgets[31]).toBeGreaterThan(10_000);
  });

  it("stop exactly at maxInstructions", async () => {
    const hart = new ScriptedHart(busy);
    const { dispatcher } = rig([hart]);
    expect(await dispatcher.run({ maxInstructions: 123_457 })).toEqual({ reason: "instruction-limit" });
    expect(hart.instructionsRetired).toBe(123_457);
    expect(dispatcher.instructions).toBe(123_457);
    expect(await dispatcher.run({ maxInstructions: 0 })).toEqual({ reason: "instruction-limit" });
    expect(hart.instructionsRetired).toBe(123_457);
  });
});

describe("waiting harts", () => {
  it("sleep until the timer, without spinning", async () => {
    const hart: ScriptedHart = new ScriptedHart((slice) => {
      if (slice === 3) r.dispatcher.end({ reason: "stopped" });
      return {
        exit: "wait",
        retires: 10,
        during: () => {
          hart.timerDeadline = r.clock.now() + 40 * TICKS_PER_MS;
        },
      };
    });
    const r = rig([hart]);
    await r.dispatcher.run();
    expect(hart.budgets.length).toBe(4);
    expect(r.loop.sleeps).toEqual([40, 40, 40]);
  });

  it("are woken once by a timer whose interrupt is masked, and then sleep", async () => {
    const hart: ScriptedHart = new ScriptedHart(() => ({ exit: "wait", retires: 1 }));
    const r = rig([hart]);
    hart.timerDeadline = 1 * TICKS_PER_MS;
    r.loop.onturn = () => {
      if (r.loop.sleeps.at(-1) === Number.POSITIVE_INFINITY) r.dispatcher.end({ reason: "stopped" });
    };
    await r.dispatcher.run();
    expect(hart.budgets.length).toBe(2);
  });

  it("are woken at once by an interrupt", async () => {
    const hart: ScriptedHart = new ScriptedHart((slice) => {
      if (slice === 1) r.dispatcher.end({ reason: "stopped" });
      return { exit: "wait", retires: 1 };
    });
    const r = rig([hart]);
    r.loop.onturn = () => {
      hart.interruptPending = true;
      r.dispatcher.wake(0, false);
    };
    await r.dispatcher.run();
    expect(r.loop.sleeps).toEqual([Number.POSITIVE_INFINITY]);
    expect(r.loop.time).toBe(0);
  });

  it("do not run again when they are woken without an interrupt", async () => {
    const hart = new ScriptedHart((): Step => ({ exit: "wait", retires: 1 }));
    const r = rig([hart]);
    let wakes = 0;
    r.loop.onturn = () => {
      if (wakes++ === 5) r.dispatcher.end({ reason: "stopped" });
      else r.dispatcher.wake(0, false);
    };
    await r.dispatcher.run();
    expect(hart.budgets.length).toBe(1);
  });

  it("end the slice of the hart that raises their interrupt", async () => {
    const sleeper = new ScriptedHart((slice): Step => {
      if (slice === 1) r.dispatcher.end({ reason: "stopped" });
      return { exit: "wait", retires: 1 };
    });
    const sender: ScriptedHart = new ScriptedHart(() => ({
      exit: "requested",
      retires: 5,
      during() {
        sleeper.interruptPending = true;
        r.dispatcher.wake(0, false);
      },
    }));
    const r = rig([sleeper, sender]);
    await r.dispatcher.run();
    expect(sender.exitRequests).toBe(1);
    expect(sender.budgets.length).toBe(1);
  });

  it("wake for timers outside the harts, which expire once a deadline", async () => {
    const expire = vi.fn(() => {
      hart.interruptPending = true;
    });
    const timer = { deadline: 3 * TICKS_PER_MS, expire };
    const hart: ScriptedHart = new ScriptedHart((slice) => {
      if (slice === 1) r.dispatcher.end({ reason: "stopped" });
      return { exit: "wait", retires: 1 };
    });
    const r = rig([hart], {
      timers: [timer, { deadline: Number.POSITIVE_INFINITY, expire: () => expect.fail() }],
    });
    await r.dispatcher.run();
    expect(expire).toHaveBeenCalledTimes(1);
    expect(r.loop.sleeps).toEqual([3]);
  });

  it("wake for a timer that expires after the dispatcher has passed them and before it sleeps", async () => {
    for (let deadline = 1; deadline < 40; deadline++) {
      const first: ScriptedHart = new ScriptedHart(() => {
        if (first.interruptPending) r.dispatcher.end({ reason: "stopped" });
        return { exit: "wait", retires: 1 };
      });
      const second = new ScriptedHart((): Step => ({ exit: "wait", retires: 1 }));
      const expire = () => {
        first.interruptPending = true;
      };
      // Time passes at each look at it, so that some deadline comes between any two looks.
      let tick = 0;
      const clock: Timebase = {
        frequency: 10_000_000,
        now: () => tick++,
        reset() {},
        pause() {},
        resume() {},
      };
      const r = rig([first, second], { clock, timers: [{ deadline, expire }] });
      r.loop.onturn = () => {
        if (r.loop.sleeps.at(-1) === Number.POSITIVE_INFINITY)
          r.dispatcher.end({ reason: "instruction-limit" });
        tick++;
      };
      expect(await r.dispatcher.run(), `deadline ${deadline}`).toEqual({ reason: "stopped" });
    }
  });

  it("that are stopped neither run nor keep timers", async () => {
    const stopped = new ScriptedHart(busy);
    stopped.timerDeadline = 10;
    const hart = new ScriptedHart((): Step => ({ exit: "wait", retires: 1 }));
    const r = rig([stopped, hart]);
    r.dispatcher.setState(0, HartState.STOPPED);
    r.loop.onturn = () => r.dispatcher.end({ reason: "stopped" });
    await r.dispatcher.run();
    expect(stopped.budgets.length).toBe(0);
    expect(r.loop.sleeps).toEqual([Number.POSITIVE_INFINITY]);
  });

  it("woken by microtasks only still let the event loop have its turn", async () => {
    const loop = hostEventLoop();
    const hart: ScriptedHart = new ScriptedHart(() => ({
      exit: "wait",
      retires: 1,
      during() {
        hart.interruptPending = true; // a disk that answers in a microtask
        queueMicrotask(() => dispatcher.wake(0, false));
      },
    }));
    const routines = { firmwareCall: () => {}, trapLoop: () => {} };
    const dispatcher = new Dispatcher({ harts: [hart], clock: hostClock(), eventLoop: loop, routines });
    dispatcher.setState(0, HartState.RUNNABLE);
    setTimeout(() => dispatcher.end({ reason: "stopped" }), 30);
    expect(await dispatcher.run()).toEqual({ reason: "stopped" });
    expect(hart.budgets.length).toBeGreaterThan(10);
    loop.close();
  });
});

describe("time made of instructions", () => {
  function deterministicRig(script: (slice: number, budget: number) => Step) {
    const hart: ScriptedHart = new ScriptedHart(script);
    let dispatcher: Dispatcher | undefined;
    const clock = instructionClock(() => dispatcher?.instructions ?? 0);
    const r = rig([hart], { clock });
    dispatcher = r.dispatcher;
    return { hart, ...r };
  }

  it("has slices that do not depend on the host", async () => {
    const slow = deterministicRig(() => ({
      exit: "budget",
      during: () => {
        slow.loop.time += Math.random() * 9;
      },
    }));
    await slow.dispatcher.run({ maxInstructions: 3_000_000 });
    const fast = deterministicRig(busy);
    await fast.dispatcher.run({ maxInstructions: 3_000_000 });
    expect(slow.hart.budgets).toEqual(fast.hart.budgets);
    expect(slow.clock.now()).toBe(300_000);
  });

  it("ends a slice exactly at the timer, and jumps to it while all harts wait", async () => {
    const r = deterministicRig((slice) => {
      if (slice === 0)
        return {
          exit: "wait",
          retires: 1000,
          during: () => {
            r.hart.timerDeadline = 5_000_000;
          },
        };
      if (slice === 1) {
        expect(r.clock.now()).toBe(5_000_000);
        r.hart.timerDeadline = 5_000_123;
        return { exit: "budget", retires: 30 };
      }
      r.dispatcher.end({ reason: "stopped" });
      return { exit: "budget" };
    });
    await r.dispatcher.run();
    expect(r.hart.budgets[2]).toBe(1200);
    expect(r.loop.sleeps).toEqual([]);
  });
});

describe("ends of a run", () => {
  it("call the interpreter routine for each kind of exit", async () => {
    const calls: string[] = [];
    const exits: Step["exit"][] = ["firmware-call", "requested", "trap-loop"];
    const hart: ScriptedHart = new ScriptedHart((slice) => ({ exit: exits[slice] ?? "budget", retires: 1 }));
    const r = rig([hart], {
      routines: {
        firmwareCall: (id) => void calls.push(`firmware-call ${id}`),
        trapLoop(id) {
          calls.push(`trap-loop ${id}`);
          r.dispatcher.end({ reason: "crashed", detail: "for a test" });
        },
        afterSlice: () => void calls.push("after"),
      },
    });
    expect(await r.dispatcher.run()).toEqual({ reason: "crashed", detail: "for a test" });
    expect(calls).toEqual(["firmware-call 0", "after", "after", "trap-loop 0", "after"]);
  });

  it("come soon after the signal is aborted, while busy and while asleep", async () => {
    for (const exit of ["budget", "wait"] as const) {
      const loop = hostEventLoop();
      const hart = new ScriptedHart((): Step => ({ exit, retires: 1 }));
      const routines = { firmwareCall: () => {}, trapLoop: () => {} };
      const dispatcher = new Dispatcher({ harts: [hart], clock: hostClock(), eventLoop: loop, routines });
      dispatcher.setState(0, HartState.RUNNABLE);
      const controller = new AbortController();
      setTimeout(() => controller.abort("enough"), 20);
      expect(await dispatcher.run({ signal: controller.signal })).toEqual({
        reason: "aborted",
        cause: "enough",
      });
      loop.close();
    }
  });

  it("come before the first instruction when the signal is aborted already", async () => {
    const hart = new ScriptedHart(busy);
    const { dispatcher } = rig([hart]);
    expect(await dispatcher.run({ signal: AbortSignal.abort("early") })).toEqual({
      reason: "aborted",
      cause: "early",
    });
    expect(hart.budgets).toEqual([]);
  });

  it("from inside a slice ask the hart to leave it; the first outcome counts", async () => {
    const hart: ScriptedHart = new ScriptedHart(() => ({
      exit: "requested",
      during() {
        r.dispatcher.end({ reason: "power-off", code: 3 });
        r.dispatcher.end({ reason: "reset" });
      },
    }));
    const r = rig([hart]);
    expect(await r.dispatcher.run()).toEqual({ reason: "power-off", code: 3 });
    expect(hart.exitRequests).toBe(2);
  });

  it("leave the dispatcher ready for the next run", async () => {
    const hart = new ScriptedHart(busy);
    const { dispatcher } = rig([hart]);
    await dispatcher.run({ maxInstructions: 10 });
    expect(await dispatcher.run({ maxInstructions: 10 })).toEqual({ reason: "instruction-limit" });
    expect(hart.instructionsRetired).toBe(20);
  });

  it("pass on what a device of the embedder throws", async () => {
    const hart = new ScriptedHart(() => {
      throw new Error("disk on fire");
    });
    const { dispatcher } = rig([hart]);
    await expect(dispatcher.run()).rejects.toThrow("disk on fire");
  });
});

describe("pause", () => {
  it("holds harts and time until resume", async () => {
    const hart: ScriptedHart = new ScriptedHart((slice) => {
      r.loop.time += 1;
      if (slice === 4) r.dispatcher.pause();
      if (slice === 6) r.dispatcher.end({ reason: "stopped" });
      return { exit: "budget" };
    });
    const r = rig([hart]);
    const done = r.dispatcher.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(hart.budgets.length).toBe(5);
    const before = r.clock.now();
    r.loop.time += 1000;
    expect(r.clock.now()).toBe(before);
    r.dispatcher.resume();
    await done;
    expect(hart.budgets.length).toBe(7);
    expect(r.clock.now()).toBe(before + 2 * TICKS_PER_MS);
  });

  it("can be ended by a stop", async () => {
    const { dispatcher } = rig([new ScriptedHart(busy)]);
    dispatcher.pause();
    const done = dispatcher.run();
    await new Promise(setImmediate);
    dispatcher.end({ reason: "stopped" });
    expect(await done).toEqual({ reason: "stopped" });
  });
});
