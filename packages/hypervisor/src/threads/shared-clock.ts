import { Control } from "@isomorph/cpu/threads";
import { hostClock, type Timebase, ticksBetween } from "../clock.ts";

/** Where the clock's origin and the time of the pause under way lie in the machine's memory. */
function fieldsOf(memory: WebAssembly.Memory): Float64Array {
  return new Float64Array(memory.buffer, Control.SCHEDULER, 2);
}

/** The clock that {@link hostClock} is, kept in the machine's memory so that all threads read the same. */
export function sharedClock(
  memory: () => WebAssembly.Memory | undefined,
  now: () => number,
  wall?: () => number,
): Timebase {
  const clock = hostClock(now, wall);
  const share = (): void => {
    const buffer = memory();
    if (buffer === undefined) return;
    const fields = fieldsOf(buffer);
    fields[0] = clock.origin;
    fields[1] = clock.pausedAt ?? Number.NaN;
  };
  return {
    frequency: clock.frequency,
    now: clock.now,
    reset() {
      clock.reset();
      share();
    },
    pause() {
      clock.pause();
      share();
    },
    resume() {
      clock.resume();
      share();
    },
    catchUp() {
      const hasMoved = clock.catchUp?.() ?? false;
      if (hasMoved) share();
      return hasMoved;
    },
  };
}

/** Reads the clock in another thread, in ticks. */
export function readSharedClock(memory: WebAssembly.Memory, now: () => number): () => number {
  const fields = fieldsOf(memory);
  return () => {
    const pausedAt = fields[1] as number;
    return ticksBetween(fields[0] as number, Number.isNaN(pausedAt) ? now() : pausedAt);
  };
}
