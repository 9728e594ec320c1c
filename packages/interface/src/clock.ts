/** The machine's time base: what the guest reads as `time` and `mtime`. */
export interface Clock {
  /** Ticks per second (the device tree's `timebase-frequency`). */
  readonly frequency: number;
  /** Ticks since the machine was reset: an integer that never decreases. */
  now(): number;
}
