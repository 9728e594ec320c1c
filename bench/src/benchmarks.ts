import type { Benchmark } from "./benchmark.ts";

/** Every benchmark that `npm run bench` knows; each in a file of its own. */
export const benchmarks: readonly Benchmark[] = [];
