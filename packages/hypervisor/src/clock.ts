import type { Clock } from "@isomorph/interface";
import { MissedTime } from "./missed-time.ts";

/** A machine's time base with what the VMM itself needs of it. */
export interface Timebase extends Clock {
  /** How many retired instructions make a tick, where time is made of instructions. */
  readonly instructionsPerTick?: number;
  /** Lets time jump to `tick`, where time is made of instructions and there is nothing to execute. */
  skipTo?(tick: number): void;
  /**
   * Makes up for time that the host's clock has missed, by a step: true when time has moved, and this is to be called
   * again soon. Whoever waits for time has to look at it again then.
   */
  catchUp?(): boolean;
  /** Starts again at tick 0. */
  reset(): void;
  /** Time stands still until {@link resume}. */
  pause(): void;
  resume(): void;
}

/** Ticks per second of the machine's own clocks: the frequency that most boards have. */
const TIMEBASE_FREQUENCY = 10_000_000;

const TICKS_PER_MILLISECOND = TIMEBASE_FREQUENCY / 1000;

/** Ticks of {@link hostClock} from one time of the host to another, in milliseconds. */
export function ticksBetween(origin: number, now: number): number {
  return Math.max(0, Math.floor((now - origin) * TICKS_PER_MILLISECOND));
}

/** A clock that follows the host's; both times are in the host's milliseconds. */
export interface HostClock extends Timebase {
  /** When tick 0 was. */
  readonly origin: number;
  readonly pausedAt: number | undefined;
}

/**
 * The host's monotonic time. `now` gives milliseconds, and so does `wall`: where it is given, time follows it after the
 * host was suspended.
 */
export function hostClock(now: () => number = () => performance.now(), wall?: () => number): HostClock {
  let origin = now();
  let pausedAt: number | undefined;
  const missed = wall && new MissedTime(now, wall);
  return {
    frequency: TIMEBASE_FREQUENCY,
    get origin() {
      return origin;
    },
    get pausedAt() {
      return pausedAt;
    },
    now: () => ticksBetween(origin, pausedAt ?? now()),
    reset() {
      origin = pausedAt ?? now();
      missed?.forget();
    },
    pause() {
      pausedAt ??= now();
    },
    resume() {
      if (pausedAt === undefined) return;
      origin += now() - pausedAt;
      pausedAt = undefined;
      missed?.skip();
    },
    ...(missed && {
      catchUp() {
        if (pausedAt !== undefined) return false;
        const step = missed.take();
        origin -= step;
        return step > 0;
      },
    }),
  };
}

/** Instructions that make one tick of {@link instructionClock}: the guest sees harts of 100 MIPS together. */
const INSTRUCTIONS_PER_TICK = 10;

/**
 * Time made of the instructions that all harts together have retired: two runs of the same guest with the same input
 * see the same times. While all harts wait, time jumps to the next timer.
 */
export function instructionClock(instructionsRetired: () => number): Timebase {
  let skipped = 0;
  let origin = 0;
  const now = () => Math.floor((instructionsRetired() - origin) / INSTRUCTIONS_PER_TICK) + skipped;
  return {
    frequency: TIMEBASE_FREQUENCY,
    instructionsPerTick: INSTRUCTIONS_PER_TICK,
    now,
    skipTo(tick) {
      const distance = tick - now();
      if (distance > 0) skipped += distance;
    },
    reset() {
      origin = instructionsRetired();
      skipped = 0;
    },
    pause() {},
    resume() {},
  };
}

/** An embedder's clock. It stands under nobody's control but the embedder's: it is neither reset nor paused. */
export function embedderClock(clock: Clock): Timebase {
  if (!(Number.isSafeInteger(clock.frequency) && clock.frequency > 0 && clock.frequency <= 0xffffffff)) {
    throw new RangeError(
      `clock.frequency must be a whole number of ticks per second, got ${clock.frequency}`,
    );
  }
  return { frequency: clock.frequency, now: () => clock.now(), reset() {}, pause() {}, resume() {} };
}
