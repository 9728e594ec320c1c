import {
  Activity,
  Control,
  type HartChannel,
  HartThread,
  Mailbox,
  ringDoorbell,
} from "@isomorph/cpu/threads";
import { HartState } from "../dispatcher/hart-state.ts";
import type { SbiServer } from "../sbi/firmware.ts";
import type { HartStart } from "./hart-threads.ts";
import { readSharedClock } from "./shared-clock.ts";
import { SliceLength } from "./slice-length.ts";
import { threadFirmware } from "./thread-firmware.ts";

/** Milliseconds after which counters are published again. */
const PUBLISH_MS = 10;
const TICKS_PER_MILLISECOND = 10_000;

/**
 * What a hart's thread does, for ever: executes the hart while it may run, and sleeps while it may not.
 *
 * @param now - The clock of `HartThreads`.
 * @param onready - Called when the hart waits to be let go.
 */
export function runHart(start: HartStart, now: () => number, onready: () => void): never {
  const time = readSharedClock(start.share.memories.memory, now);
  const loop = new HartLoop(new HartThread(start.share, start.hart, time), start, time, now);
  onready();
  for (;;) loop.turn();
}

class HartLoop {
  readonly #thread: HartThread;
  readonly #channel: HartChannel;
  readonly #time: () => number;
  readonly #now: () => number;
  readonly #firmware: SbiServer | undefined;
  readonly #slices = new SliceLength();
  /** The deadline for which the hart was woken last: a masked timer wakes it once, not for ever. */
  #fired = Number.NaN;
  #published = 0;
  /** Slices, sleeps, calls of the firmware that were served here, and that were served elsewhere. */
  readonly #counts = [0, 0, 0, 0];

  constructor(thread: HartThread, start: HartStart, time: () => number, now: () => number) {
    this.#thread = thread;
    this.#channel = thread.channels[start.hart] as HartChannel;
    this.#time = time;
    this.#now = now;
    this.#firmware = start.hasSbi ? threadFirmware(thread) : undefined;
  }

  turn(): void {
    this.#rest();
    this.#slice();
  }

  get #isHeld(): boolean {
    return Atomics.load(this.#channel.words, Control.HOLD >>> 2) !== 0;
  }

  /** Returns when the hart may run. */
  #rest(): void {
    const channel = this.#channel;
    for (;;) {
      const seen = channel.read(Mailbox.WAKE);
      channel.write(Mailbox.ACTIVITY, Activity.QUIET);
      let isHeld = this.#isHeld;
      const isStopped = channel.read(Mailbox.SCHEDULE) === HartState.STOPPED;
      if (isStopped) this.#thread.forgetCode();
      // Whoever starts a stopped hart has its state to itself; the mail is taken before it executes anything.
      if (!isHeld && !isStopped) {
        this.#thread.takeMail();
        if (this.#isRunnable()) return;
      }
      this.#publish();
      const milliseconds = isHeld ? Number.POSITIVE_INFINITY : this.#untilTimer();
      channel.write(Mailbox.ACTIVITY, Activity.RESTING);
      isHeld = this.#isHeld;
      if (isHeld) ringDoorbell(channel.words);
      (this.#counts[1] as number)++;
      channel.sleep(seen, milliseconds);
    }
  }

  #isRunnable(): boolean {
    const channel = this.#channel;
    const state = channel.read(Mailbox.SCHEDULE);
    if (state === HartState.RUNNABLE) return true;
    if (state === HartState.STOPPED) return false;
    const { hart } = this.#thread;
    const deadline = hart.timerDeadline;
    const isDue = deadline <= this.#time() && deadline !== this.#fired;
    if (!isDue && !hart.interruptPending) return false;
    if (isDue) this.#fired = deadline;
    // Whoever has set another state meanwhile has the last word.
    return channel.replace(Mailbox.SCHEDULE, state, HartState.RUNNABLE);
  }

  #untilTimer(): number {
    if (this.#channel.read(Mailbox.SCHEDULE) === HartState.STOPPED) return Number.POSITIVE_INFINITY;
    const deadline = this.#thread.hart.timerDeadline;
    if (deadline === this.#fired) return Number.POSITIVE_INFINITY;
    return Math.max(0, (deadline - this.#time()) / TICKS_PER_MILLISECOND);
  }

  #slice(): void {
    const { hart } = this.#thread;
    const untilTimer = (hart.timerDeadline - this.#time()) / TICKS_PER_MILLISECOND;
    const budget = this.#slices.before(untilTimer > 0 ? untilTimer : Number.POSITIVE_INFINITY);
    const began = this.#now();
    const exit = hart.run(budget);
    const elapsed = this.#now() - began;
    (this.#counts[0] as number)++;
    this.#slices.adapt(budget, exit === "budget", elapsed);
    if (exit === "wait") {
      this.#channel.replace(Mailbox.SCHEDULE, HartState.RUNNABLE, HartState.WAITING);
    } else if (exit === "firmware-call") {
      this.#callFirmware();
    } else if (exit === "trap-loop") {
      this.#thread.reportTrapLoop();
    }
    if (began - this.#published > PUBLISH_MS) this.#publish();
  }

  #callFirmware(): void {
    const { hart } = this.#thread;
    if (this.#firmware?.has(hart) === true) {
      (this.#counts[2] as number)++;
      this.#firmware.serve(hart);
    } else {
      (this.#counts[3] as number)++;
      this.#thread.callFirmware();
    }
  }

  #publish(): void {
    this.#published = this.#now();
    this.#thread.publish(this.#counts);
  }
}
