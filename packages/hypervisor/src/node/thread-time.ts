/** Milliseconds of the host's monotonic clock, which all threads of the process share. */
export function threadTime(): () => number {
  const high = (): number => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  };
  // performance.now() is the same clock from another origin, and cheaper. The tightest of some readings counts.
  let offset = 0;
  let tightest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    const middle = high();
    const width = performance.now() - before;
    if (width >= tightest) continue;
    tightest = width;
    offset = middle - (before + width / 2);
  }
  return () => performance.now() + offset;
}
