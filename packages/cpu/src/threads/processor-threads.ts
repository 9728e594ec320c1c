import type { MmioBus } from "@isomorph/interface";
import { type CallRoutines, CallServer, ringDoorbell } from "./calls.ts";
import { channelsOf, type HartChannel } from "./channel.ts";
import { Activity, Control, Mail, Mailbox, STATISTICS } from "./layout.ts";
import type { ProcessorShare } from "./share.ts";

/** The side of a processor with threads that has the devices: it serves the harts, holds them and lets them go on. */
export class ProcessorThreads {
  /** What each hart's thread is to be given. */
  readonly share: ProcessorShare;
  readonly channels: readonly HartChannel[];
  readonly #words: Int32Array;
  readonly #calls: CallServer;
  readonly #statistics: readonly Float64Array[];

  constructor(share: ProcessorShare, bus: MmioBus) {
    this.share = share;
    this.channels = channelsOf(share);
    const { blocks } = share;
    const { memory } = share.memories;
    const states = Array.from({ length: blocks.count }, (_, id) => blocks.start + id * blocks.stride);
    this.#words = new Int32Array(memory.buffer);
    this.#calls = new CallServer(memory, states, this.channels, bus);
    this.#statistics = states.map(
      (state) => new Float64Array(memory.buffer, state + STATISTICS.START, STATISTICS.COUNT),
    );
    this.isHeld = true;
    for (const channel of this.channels) channel.write(Mailbox.ACTIVITY, Activity.RESTING);
  }

  /** While it is set no hart executes anything, from when {@link isResting} says so. */
  get isHeld(): boolean {
    return Atomics.load(this.#words, Control.HOLD >>> 2) !== 0;
  }
  set isHeld(value: boolean) {
    Atomics.store(this.#words, Control.HOLD >>> 2, value ? 1 : 0);
    for (const channel of this.channels) {
      if (value) channel.post(Mail.EXIT);
      else channel.wake();
    }
  }

  /** Whether a hart's state may be read and written: it is held, stopped, or waits for an interrupt. */
  isResting(hart: number): boolean {
    return this.channels[hart]?.read(Mailbox.ACTIVITY) === Activity.RESTING;
  }

  /** Whether a hart is in the middle of a call. */
  isCalling(hart: number): boolean {
    return this.channels[hart]?.read(Mailbox.ACTIVITY) === Activity.CALLING;
  }

  /** Serves the calls that harts have made; returns how many there were. */
  serve(routines: CallRoutines): number {
    let count = 0;
    for (let hart = 0; hart < this.channels.length; hart++) if (this.#calls.serve(hart, routines)) count++;
    return count;
  }

  /** Rings the doorbell for which {@link doorbell} waits. */
  ring(): void {
    ringDoorbell(this.#words);
  }

  /** How often the doorbell was rung. */
  get rung(): number {
    return Atomics.load(this.#words, Control.DOORBELL >>> 2);
  }

  /** Resolves when the doorbell was rung more often than `seen`, or after so many milliseconds. */
  doorbell(seen: number, milliseconds: number): Promise<unknown> | undefined {
    const { waitAsync } = Atomics as unknown as { waitAsync: WaitAsync };
    const { async, value } = waitAsync(this.#words, Control.DOORBELL >>> 2, seen, milliseconds);
    return async ? value : undefined;
  }

  /**
   * Sums of what the harts' threads have published. `names` has the counters of a hart and of a translator, in order;
   * their values do not matter. The first `HART_STATISTICS` numbers are the scheduler's.
   */
  counters(names: Readonly<Record<string, number>>): Record<string, number> {
    const sums: Record<string, number> = {};
    Object.keys(names).forEach((name, index) => {
      sums[name] = this.statistic(HART_STATISTICS + index);
    });
    return sums;
  }

  /** The sum of one number that the harts' threads have published. */
  statistic(index: number): number {
    return this.#statistics.reduce((sum, values) => sum + (values[index] as number), 0);
  }
}

/** How many of the numbers that a hart's thread publishes belong to whoever schedules it. */
export const HART_STATISTICS = 8;

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
  timeout: number,
) => { readonly async: boolean; readonly value: Promise<unknown> };
