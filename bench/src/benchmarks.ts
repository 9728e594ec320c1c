import type { Benchmark } from "./benchmark.ts";
import { boot } from "./boot.ts";
import { coremarkLike } from "./coremark-like.ts";

/** Every benchmark that `npm run bench` knows; each in a file of its own. */
export const benchmarks: readonly Benchmark[] = [boot, coremarkLike];
