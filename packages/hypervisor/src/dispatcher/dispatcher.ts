import type { Hart } from "@isomorph/cpu";
import type { Timebase } from "../clock.ts";
import { LOOK_MS } from "../missed-time.ts";
import type { VmOutcome } from "../outcome.ts";
import type { InterpreterRoutines, MachineDispatcher, PlatformTimer, RunLimits } from "./contract.ts";
import type { EventLoop } from "./event-loop.ts";
import { HartState } from "./hart-state.ts";

/** What the dispatcher needs of a hart. */
export type DispatchedHart = Pick<
  Hart,
  "run" | "requestExit" | "interruptPending" | "timerDeadline" | "instructionsRetired"
>;

/** Looks at harts every now and then, for a profile. */
export interface SliceSampler {
  /** Milliseconds of a hart's running time between two looks, on average. */
  readonly interval: number;
  /** The hart stands between two instructions, and has run for so many milliseconds since the last look at it. */
  sample(hart: number, elapsed: number): void;
}

/** What a dispatcher is made of. */
export interface DispatcherOptions {
  readonly harts: readonly DispatchedHart[];
  readonly clock: Timebase;
  readonly eventLoop: EventLoop;
  readonly routines: InterpreterRoutines;
  readonly timers?: readonly PlatformTimer[];
  /** Instructions in the longest slice. Default 2^24. */
  readonly longestSlice?: number;
}

/** Milliseconds of host time that a slice is to take: how late a timer of a busy hart can be. */
const SLICE_MS = 1.5;
/** Milliseconds after which the event loop gets its turn: how late a console or disk of a busy guest can be. */
const TURN_MS = 5;
const FIRST_SLICE = 50_000;
const SHORTEST_SLICE = 2_000;
const LONGEST_SLICE = 1 << 24;
/** After so many device accesses a slice is asked how long it has taken. */
const ACCESSES_PER_LOOK = 16;
/** After so many it ends, when time is made of instructions and how long it took must not matter. */
const ACCESSES_PER_SLICE = 64;
/** Slices when time is made of instructions: their length must not depend on the host. */
const FIXED_SLICE = 100_000;

/**
 * Shares the host thread among harts, devices and the rest of the program: the dispatcher in the sense of Popek and
 * Goldberg, which decides what runs next whenever control returns to the VMM.
 *
 * Harts take turns in slices of about 1.5 ms. No hart can keep the others, or the event loop, from their turns. While
 * every hart waits, the dispatcher sleeps until the next timer or until {@link wake}.
 */
export class Dispatcher implements MachineDispatcher {
  /** Who looks at the harts meanwhile. Slices end for it only where their length does not matter to the guest. */
  sampler: SliceSampler | undefined;
  /** Counters since construction. */
  readonly counters: { slices: number; turns: number; sleeps: number; firmwareCalls: number };
  readonly #harts: readonly DispatchedHart[];
  readonly #clock: Timebase;
  readonly #eventLoop: EventLoop;
  readonly #routines: InterpreterRoutines;
  readonly #timers: readonly PlatformTimer[];
  readonly #longestSlice: number;
  readonly #states: Uint8Array;
  /** Instructions that each hart executes in {@link SLICE_MS}. */
  readonly #budgets: Float64Array;
  /** The deadline for which each waiting hart was woken last: a masked timer wakes it once, not for ever. */
  readonly #fired: Float64Array;
  /** The same for {@link DispatcherOptions.timers}. */
  readonly #expired: Float64Array;
  /** Instructions, and milliseconds, of each hart until and since the sampler's look. */
  readonly #untilSample: Float64Array;
  readonly #sinceSample: Float64Array;
  #next = 0;
  #running = -1;
  #retiredBefore = 0;
  /** When the slice under way began, and the device accesses in it. */
  #began = 0;
  #accesses = 0;
  #instructions = 0;
  #instructionLimit = Number.POSITIVE_INFINITY;
  #outcome: VmOutcome | undefined;
  #isPaused = false;
  /** Ends the wait for the end of a pause, while there is one. */
  #resume: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#harts = options.harts;
    this.#clock = options.clock;
    this.#eventLoop = options.eventLoop;
    this.#routines = options.routines;
    this.#timers = options.timers ?? [];
    this.#longestSlice = options.longestSlice ?? LONGEST_SLICE;
    this.#states = new Uint8Array(this.#harts.length).fill(HartState.STOPPED);
    this.#budgets = new Float64Array(this.#harts.length).fill(FIRST_SLICE);
    this.#fired = new Float64Array(this.#harts.length).fill(Number.NaN);
    this.#expired = new Float64Array(this.#timers.length).fill(Number.NaN);
    this.#untilSample = new Float64Array(this.#harts.length);
    this.#sinceSample = new Float64Array(this.#harts.length);
    this.counters = { slices: 0, turns: 0, sleeps: 0, firmwareCalls: 0 };
  }

  /** Instructions retired by all harts since construction; exact also while a hart runs. */
  get instructions(): number {
    if (this.#running < 0) return this.#instructions;
    return this.#instructions + (this.#harts[this.#running]?.instructionsRetired ?? 0) - this.#retiredBefore;
  }

  stateOf(hart: number): HartState {
    return (this.#states[hart] ?? HartState.STOPPED) as HartState;
  }

  setState(hart: number, state: HartState): void {
    this.#states[hart] = state;
    this.#fired[hart] = Number.NaN;
  }

  /** Power-on: every hart is stopped until {@link setState}. Between two runs only. */
  reset(): void {
    this.#states.fill(HartState.STOPPED);
    this.#fired.fill(Number.NaN);
    this.#expired.fill(Number.NaN);
    this.#next = 0;
  }

  /** Runs the machine until it has an outcome, which it resolves to. One run at a time. */
  async run(options: RunLimits = {}): Promise<VmOutcome> {
    const { signal } = options;
    this.#instructionLimit = this.#instructions + (options.maxInstructions ?? Number.POSITIVE_INFINITY);
    const onAbort = () => this.end({ reason: "aborted", cause: signal?.reason });
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#loop();
    } finally {
      this.#outcome = undefined;
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Ends the run with this outcome, soon; the first outcome counts. May be called while a hart runs. Between two runs it
   * ends the next one at once.
   */
  end(outcome: VmOutcome): void {
    this.#outcome ??= outcome;
    this.#harts[this.#running]?.requestExit();
    this.#resume?.();
    this.#eventLoop.wake();
  }

  /** Tells that an interrupt input of `hart` was raised. `urgent`: another hart is likely to wait for the answer. */
  wake(hart: number, urgent: boolean): void {
    if (this.#running < 0) {
      this.#eventLoop.wake();
    } else if (this.#running !== hart && (urgent || this.#states[hart] !== HartState.RUNNABLE)) {
      this.#harts[this.#running]?.requestExit();
    }
  }

  /**
   * A hart accesses a device. Slices are as long as instructions take, and what a device does at one of them can take
   * a thousand times longer: such a slice ends early, so that the event loop gets its turn.
   */
  accessed(): void {
    const accesses = ++this.#accesses;
    if (this.#running < 0 || accesses % ACCESSES_PER_LOOK !== 0) return;
    const isLong =
      this.#clock.instructionsPerTick === undefined
        ? this.#eventLoop.now() - this.#began > TURN_MS
        : accesses % ACCESSES_PER_SLICE === 0;
    if (isLong) this.#harts[this.#running]?.requestExit();
  }

  /** No hart runs and time stands still until {@link resume}. */
  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#clock.pause();
    this.#harts[this.#running]?.requestExit();
    this.#eventLoop.wake();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#clock.resume();
    this.#resume?.();
  }

  async #loop(): Promise<VmOutcome> {
    const { counters } = this;
    let lastYield = this.#eventLoop.now();
    for (;;) {
      if (this.#isPaused && this.#outcome === undefined) {
        await new Promise<void>((resolve) => {
          this.#resume = resolve;
        });
        continue;
      }
      counters.turns++;
      const hasJumped = this.#clock.catchUp?.() ?? false;
      const isIdle = this.#turn() && !hasJumped;
      if (this.#outcome !== undefined) return this.#outcome;
      if (this.#isPaused) continue;
      const now = this.#eventLoop.now();
      // A sleep that ends in a microtask gives the event loop no turn: it does not count as a yield.
      if (isIdle && now - lastYield < TURN_MS) {
        counters.sleeps++;
        await this.#eventLoop.sleep(this.#untilNextTimer());
      } else {
        await this.#eventLoop.yield();
        lastYield = this.#eventLoop.now();
      }
    }
  }

  /** Runs slices for {@link TURN_MS}, or until there is an outcome or a pause, or nothing to run: then true. */
  #turn(): boolean {
    const turnEnd = this.#eventLoop.now() + TURN_MS;
    const count = this.#harts.length;
    for (;;) {
      let isIdle = true;
      for (let i = 0; i < count; i++) {
        if (this.#outcome !== undefined || this.#isPaused) return false;
        const index = this.#next;
        this.#next = (index + 1) % count;
        const now = this.#clock.now();
        // A timer may be for a hart that this round has passed already: another round finds it runnable.
        if (this.#expireTimers(now)) isIdle = false;
        if (!this.#isRunnable(index, now)) continue;
        if (this.#instructions >= this.#instructionLimit) {
          this.end({ reason: "instruction-limit" });
          return false;
        }
        isIdle = false;
        this.#slice(index, now);
        if (this.#eventLoop.now() >= turnEnd) return false;
      }
      if (isIdle && !this.#skipIdleTime()) return true;
    }
  }

  #slice(index: number, now: number): void {
    const hart = this.#harts[index] as DispatchedHart;
    const { sampler } = this;
    const budget = this.#budget(index, now, sampler);
    this.#began = this.#eventLoop.now();
    this.#accesses = 0;
    this.#retiredBefore = hart.instructionsRetired;
    this.#running = index;
    let exit: ReturnType<DispatchedHart["run"]>;
    try {
      exit = hart.run(budget);
    } finally {
      this.#instructions = this.instructions;
      this.#running = -1;
    }
    this.counters.slices++;
    const elapsed = this.#eventLoop.now() - this.#began;
    this.#adapt(index, budget, exit === "budget", elapsed);
    if (sampler !== undefined) this.#sample(sampler, index, exit, elapsed);
    if (exit === "wait") {
      if (this.#states[index] === HartState.RUNNABLE) this.#states[index] = HartState.WAITING;
    } else if (exit === "firmware-call") {
      this.counters.firmwareCalls++;
      this.#routines.firmwareCall(index);
    } else if (exit === "trap-loop") {
      this.#routines.trapLoop(index);
    }
    this.#routines.afterSlice?.();
  }

  /** The length of a slice: up to the next timer, as far as that can be foreseen, and never above the limit. */
  #budget(index: number, now: number, sampler: SliceSampler | undefined): number {
    const { instructionsPerTick } = this.#clock;
    const usual = instructionsPerTick === undefined ? (this.#budgets[index] ?? FIRST_SLICE) : FIXED_SLICE;
    const perTick = instructionsPerTick ?? (usual / SLICE_MS) * (1000 / this.#clock.frequency);
    const shortest = instructionsPerTick === undefined ? SHORTEST_SLICE : 1;
    const untilTimer = (this.#nextDeadline(index, now) - now) * perTick;
    let budget = Math.max(Math.min(usual, untilTimer), shortest);
    // The slice is to end where the look is due: elsewhere it would see what ends slices, not what takes time.
    if (sampler !== undefined && instructionsPerTick === undefined) {
      const half = (usual / SLICE_MS) * sampler.interval * 0.5;
      budget = Math.max(Math.min(budget, half, this.#untilSample[index] as number), 1);
    }
    return Math.floor(Math.min(budget, this.#longestSlice, this.#instructionLimit - this.#instructions));
  }

  /** Lets the length of slices follow the hart's speed, at most by a factor of two at a time. */
  #adapt(index: number, budget: number, isUsedUp: boolean, elapsed: number): void {
    if (!isUsedUp && elapsed <= SLICE_MS) return;
    // What a slice cut short for a sampler takes says little.
    if (budget < SHORTEST_SLICE && this.sampler !== undefined) return;
    const fitting = elapsed > 0 ? (budget * SLICE_MS) / elapsed : Number.POSITIVE_INFINITY;
    const previous = this.#budgets[index] ?? FIRST_SLICE;
    const next = Math.min(Math.max(fitting, previous / 2), previous * 2);
    this.#budgets[index] = Math.min(Math.max(next, SHORTEST_SLICE), this.#longestSlice);
  }

  /**
   * Counts down to the next look. It happens only when the budget is used up, so that it hits every instruction alike:
   * slices that end for other reasons end at the instructions that are those reasons.
   */
  #sample(sampler: SliceSampler, index: number, exit: string, elapsed: number): void {
    this.#sinceSample[index]! += elapsed;
    this.#untilSample[index]! -= (this.#harts[index]?.instructionsRetired ?? 0) - this.#retiredBefore;
    // The hart may be slower now than the instructions were counted for.
    const since = this.#sinceSample[index] as number;
    const isDue = (this.#untilSample[index] as number) <= 0 || since >= sampler.interval * 1.25;
    if (exit !== "budget" || !isDue) return;
    sampler.sample(index, since);
    this.#sinceSample[index] = 0;
    // Not in step with anything periodic in the guest.
    const jitter = 0.75 + 0.5 * Math.random();
    const perMillisecond = (this.#budgets[index] ?? FIRST_SLICE) / SLICE_MS;
    this.#untilSample[index] = Math.max(1, Math.floor(perMillisecond * sampler.interval * jitter));
  }

  #isRunnable(index: number, now: number): boolean {
    const state = this.#states[index];
    if (state === HartState.RUNNABLE) return true;
    if (state === HartState.STOPPED) return false;
    const hart = this.#harts[index] as DispatchedHart;
    const deadline = hart.timerDeadline;
    const isDue = deadline <= now && deadline !== this.#fired[index];
    if (!isDue && !hart.interruptPending) return false;
    if (isDue) this.#fired[index] = deadline;
    this.#states[index] = HartState.RUNNABLE;
    return true;
  }

  /** Whether there was a timer to expire. */
  #expireTimers(now: number): boolean {
    let hasExpired = false;
    for (let i = 0; i < this.#timers.length; i++) {
      const timer = this.#timers[i] as PlatformTimer;
      const deadline = timer.deadline;
      if (deadline <= now && deadline !== this.#expired[i]) {
        this.#expired[i] = deadline;
        timer.expire();
        hasExpired = true;
      }
    }
    return hasExpired;
  }

  /** The next deadline after `now` of a running hart and of the timers outside the harts. */
  #nextDeadline(index: number, now: number): number {
    const own = this.#harts[index]?.timerDeadline ?? Number.POSITIVE_INFINITY;
    const next = own > now ? own : Number.POSITIVE_INFINITY;
    return Math.min(next, this.#nextTimer());
  }

  /** When some timer will wake a waiting hart, in ticks, possibly in the past; Infinity when none will. */
  #nextWakeUp(): number {
    let next = this.#nextTimer();
    for (let i = 0; i < this.#harts.length; i++) {
      const deadline = this.#harts[i]?.timerDeadline ?? Number.POSITIVE_INFINITY;
      const counts = this.#states[i] !== HartState.STOPPED && deadline !== this.#fired[i];
      if (counts && deadline < next) next = deadline;
    }
    return next;
  }

  #nextTimer(): number {
    let next = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#timers.length; i++) {
      const deadline = this.#timers[i]?.deadline ?? Number.POSITIVE_INFINITY;
      if (deadline !== this.#expired[i] && deadline < next) next = deadline;
    }
    return next;
  }

  /** Where time is made of instructions: jumps to the next timer. False when there is none, or time is the host's. */
  #skipIdleTime(): boolean {
    if (this.#clock.skipTo === undefined) return false;
    const next = this.#nextWakeUp();
    if (next === Number.POSITIVE_INFINITY) return false;
    this.#clock.skipTo(next);
    return true;
  }

  #untilNextTimer(): number {
    const milliseconds = ((this.#nextWakeUp() - this.#clock.now()) * 1000) / this.#clock.frequency;
    return this.#clock.catchUp === undefined ? milliseconds : Math.min(milliseconds, LOOK_MS);
  }
}
