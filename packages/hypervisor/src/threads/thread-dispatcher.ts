import type { Hart } from "@isomorph/cpu";
import { Mailbox, type ProcessorThreads } from "@isomorph/cpu/threads";
import type { Timebase } from "../clock.ts";
import type {
  InterpreterRoutines,
  MachineDispatcher,
  PlatformTimer,
  RunLimits,
} from "../dispatcher/contract.ts";
import type { EventLoop } from "../dispatcher/event-loop.ts";
import { HartState } from "../dispatcher/hart-state.ts";
import { VmError } from "../errors.ts";
import { LOOK_MS as SUSPEND_LOOK_MS } from "../missed-time.ts";
import type { VmOutcome } from "../outcome.ts";
import type { HartHandle, HartThreads } from "./hart-threads.ts";

export interface ThreadDispatcherOptions {
  readonly harts: readonly Hart[];
  /** The processor's side of the harts' threads. */
  readonly processor: ProcessorThreads;
  readonly threads: HartThreads;
  readonly hasSbi: boolean;
  readonly clock: Timebase;
  readonly eventLoop: EventLoop;
  readonly routines: InterpreterRoutines;
  readonly timers: readonly PlatformTimer[];
}

/** Milliseconds after which the event loop gets its turn. */
const TURN_MS = 5;
/** Milliseconds for which to wait for the next call of a hart that has just made one: drivers make several in a row. */
const LINGER_MS = 0.03;
/** Milliseconds between two looks at what nothing announces: the instruction limit, and test devices in RAM. */
const LOOK_MS = 1;
/** Milliseconds between two steps towards a wall clock that is ahead: each hart gets a slice. */
const CATCH_UP_MS = 2;
/** The longest delay that timers take. */
const MAX_DELAY = 2 ** 31 - 1;
/** Milliseconds in which every hart comes to rest, compilation of translated code included, unless its thread is dead. */
const REST_MS = 10_000;

/**
 * Drives a machine whose harts have threads of their own: lets them go on and holds them, serves their device
 * accesses and firmware calls, keeps the platform's timers, and leaves the rest to the event loop.
 */
export class ThreadDispatcher implements MachineDispatcher {
  readonly #options: ThreadDispatcherOptions;
  readonly #handles: HartHandle[] = [];
  readonly #expired: Float64Array;
  #turns = 0;
  #calls = 0;
  #isServing = false;
  #isRunning = false;
  #isPaused = false;
  #resume: (() => void) | undefined;
  #outcome: VmOutcome | undefined;
  #failure: VmError | undefined;
  #isClosed = false;

  constructor(options: ThreadDispatcherOptions) {
    this.#options = options;
    this.#expired = new Float64Array(options.timers.length).fill(Number.NaN);
  }

  /** Starts the threads. Resolves when each of them waits to be let go. */
  async start(): Promise<void> {
    const { threads, processor, hasSbi, harts } = this.#options;
    for (const { id } of harts) {
      const handle = threads.spawn({ share: processor.share, hart: id, hasSbi }, (cause) =>
        this.#fail(id, cause),
      );
      this.#handles.push(handle);
    }
    try {
      await Promise.all(this.#handles.map((handle) => handle.ready));
    } catch (cause) {
      throw new VmError("ERR_VM_THREAD", "a hart's thread could not be started", { cause });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#handles.splice(0).map((handle) => handle.terminate()));
  }

  #fail(hart: number, cause: unknown): void {
    if (this.#isClosed) return;
    this.#failure ??= new VmError("ERR_VM_THREAD", `the thread of hart ${hart} has ended`, { cause });
    // The others would wait for it for ever.
    void this.close();
    this.#options.processor.ring();
  }

  get counters(): Readonly<Record<string, number>> {
    const { processor } = this.#options;
    return {
      slices: processor.statistic(0),
      turns: this.#turns,
      sleeps: processor.statistic(1),
      firmwareCalls: processor.statistic(2) + processor.statistic(3),
      calls: this.#calls,
    };
  }

  /** Instructions retired by all harts; while they run, up to the end of their last slices. */
  get instructions(): number {
    return this.#options.harts.reduce((sum, hart) => sum + hart.instructionsRetired, 0);
  }

  stateOf(hart: number): HartState {
    const state = this.#options.processor.channels[hart]?.read(Mailbox.SCHEDULE);
    // A hart that has just stopped itself may not have come to rest yet.
    if (state === HartState.STOPPED) this.#awaitRest([hart]);
    return (state ?? HartState.STOPPED) as HartState;
  }

  setState(hart: number, state: HartState): void {
    const channel = this.#options.processor.channels[hart];
    channel?.write(Mailbox.SCHEDULE, state);
    channel?.wake();
  }

  reset(): void {
    for (const hart of this.#options.harts) this.setState(hart.id, HartState.STOPPED);
    this.#expired.fill(Number.NaN);
  }

  async run(options: RunLimits = {}): Promise<VmOutcome> {
    const { signal } = options;
    const limit = this.instructions + (options.maxInstructions ?? Number.POSITIVE_INFINITY);
    const onAbort = () => this.end({ reason: "aborted", cause: signal?.reason });
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#isRunning = true;
    // Neither a doorbell nor a hart's thread keeps the host alive.
    const alive = setInterval(() => {}, MAX_DELAY);
    try {
      if (!this.#isPaused) this.#options.processor.isHeld = false;
      return await this.#loop(limit);
    } finally {
      await this.#hold();
      clearInterval(alive);
      this.#isRunning = false;
      this.#outcome = undefined;
      signal?.removeEventListener("abort", onAbort);
    }
  }

  end(outcome: VmOutcome): void {
    this.#outcome ??= outcome;
    this.#resume?.();
    this.#options.processor.ring();
  }

  /** Interrupts find their harts by themselves. */
  wake(): void {}
  accessed(): void {}

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    const { processor, harts, clock } = this.#options;
    processor.isHeld = true;
    this.#awaitRest(harts.map(({ id }) => id));
    clock.pause();
    processor.ring();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#options.clock.resume();
    if (this.#isRunning && this.#outcome === undefined) this.#options.processor.isHeld = false;
    this.#resume?.();
  }

  async #loop(limit: number): Promise<VmOutcome> {
    const { processor, eventLoop, routines } = this.#options;
    const looks = limit !== Number.POSITIVE_INFINITY || routines.afterSlice !== undefined;
    let turnBegan = eventLoop.now();
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#outcome !== undefined) return this.#outcome;
      if (this.#isPaused) {
        await new Promise<void>((resolve) => {
          this.#resume = resolve;
        });
        this.#resume = undefined;
        continue;
      }
      this.#turns++;
      const seen = processor.rung;
      this.#serve(turnBegan + TURN_MS);
      const longestWait = this.#catchUp();
      const untilTimer = Math.min(this.#expireTimers(), longestWait);
      routines.afterSlice?.();
      if (this.instructions >= limit) this.end({ reason: "instruction-limit" });
      if (this.#outcome !== undefined || this.#isPaused) continue;
      if (eventLoop.now() - turnBegan >= TURN_MS) {
        await eventLoop.yield();
        turnBegan = eventLoop.now();
      } else {
        await processor.doorbell(seen, looks ? Math.min(LOOK_MS, untilTimer) : untilTimer);
      }
    }
  }

  /** Serves calls until there have been none for a while, or something else has to be looked at. */
  #serve(turnEnd: number): void {
    const { eventLoop } = this.#options;
    let last = Number.NEGATIVE_INFINITY;
    for (;;) {
      const count = this.#serveOnce();
      const now = eventLoop.now();
      if (count > 0) last = now;
      if (this.#outcome !== undefined || this.#isPaused || now >= turnEnd) return;
      if (now - last > LINGER_MS) return;
    }
  }

  #serveOnce(): number {
    const { processor, routines } = this.#options;
    this.#isServing = true;
    try {
      const count = processor.serve(routines);
      this.#calls += count;
      return count;
    } finally {
      this.#isServing = false;
    }
  }

  /** Makes up for time that the host has missed. Milliseconds after which to look at it again. */
  #catchUp(): number {
    const { clock, processor } = this.#options;
    if (clock.catchUp?.() !== true) return SUSPEND_LOOK_MS;
    // Their timers may be due now.
    for (const channel of processor.channels) channel.wake();
    return CATCH_UP_MS;
  }

  /** Milliseconds until the platform's next timer. */
  #expireTimers(): number {
    const { timers, clock } = this.#options;
    let next = Number.POSITIVE_INFINITY;
    const now = clock.now();
    timers.forEach((timer, index) => {
      const { deadline } = timer;
      if (deadline <= now && deadline !== this.#expired[index]) {
        this.#expired[index] = deadline;
        timer.expire();
      }
      if (timer.deadline !== this.#expired[index]) next = Math.min(next, timer.deadline);
    });
    return Math.max(0, ((next - now) * 1000) / clock.frequency);
  }

  /** Holds all harts, with their calls served so that their states are exact. */
  async #hold(): Promise<void> {
    const { processor, harts } = this.#options;
    processor.isHeld = true;
    const end = this.#options.eventLoop.now() + REST_MS;
    while (this.#failure === undefined && !harts.every(({ id }) => processor.isResting(id))) {
      const seen = processor.rung;
      if (this.#serveOnce() === 0) await processor.doorbell(seen, LOOK_MS);
      if (this.#options.eventLoop.now() > end) this.#fail(-1, new Error("a hart does not come to rest"));
    }
  }

  /** Waits at once until harts rest. One whose call is being served does so when it has been. */
  #awaitRest(ids: readonly number[]): void {
    const { processor, eventLoop } = this.#options;
    const end = eventLoop.now() + REST_MS;
    for (;;) {
      const isDone = ids.every(
        (id) => processor.isResting(id) || (this.#isServing && processor.isCalling(id)),
      );
      if (isDone || this.#failure !== undefined) return;
      if (!this.#isServing) this.#serveOnce();
      if (eventLoop.now() > end) throw new VmError("ERR_VM_THREAD", "a hart does not come to rest");
    }
  }
}
