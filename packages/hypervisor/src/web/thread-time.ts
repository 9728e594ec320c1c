/** Milliseconds of the browser's monotonic clock: the time origins of workers are on one scale. */
export function threadTime(): number {
  return performance.timeOrigin + performance.now();
}
